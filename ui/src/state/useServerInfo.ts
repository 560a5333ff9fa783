import { useEffect, useState } from 'react';
import { listModels, serverVersion } from '../api/client';

/** Both are optional comforts: without them the page works, with the server's own choice of model. */
export function useServerInfo(): { models: string[]; version: string } {
  const [models, setModels] = useState<string[]>([]);
  const [version, setVersion] = useState('');
  useEffect(() => {
    let mounted = true;
    listModels().then((names) => mounted && setModels(names), () => undefined);
    serverVersion().then((found) => mounted && setVersion(found), () => undefined);
    return () => {
      mounted = false;
    };
  }, []);
  return { models, version };
}
