import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Relative, so that the page also works behind a reverse proxy's sub-path.
  base: './',
  plugins: [react()],
  build: {
    target: 'es2022',
    // light-dark() is kept as written: lowered, it would need a second copy of every colour.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    outDir: 'dist',
    emptyOutDir: true,
    // The page's Content-Security-Policy allows neither inline scripts nor data: URLs.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    sourcemap: false,
    // The notices of the libraries within app.js; to be delivered beside it.
    license: { fileName: 'licenses.txt' },
    cssCodeSplit: false,
    rollupOptions: {
      output: {
        // Fixed names: the C++ build lists the files it embeds; freshness is the server's ETag's task.
        entryFileNames: 'app.js',
        assetFileNames: (asset) => (asset.names.some((name) => name.endsWith('.css')) ? 'app.css' : '[name][extname]'),
        codeSplitting: false,
      },
    },
  },
  test: {
    include: ['tests/unit/**/*.test.ts'],
    environment: 'node',
  },
});
