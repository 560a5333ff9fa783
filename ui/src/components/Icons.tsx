import type { ReactNode } from 'react';

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const SunIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="3.4" />
    <path d="M10 2.2v1.9M10 15.9v1.9M2.2 10h1.9M15.9 10h1.9M4.5 4.5l1.3 1.3M14.2 14.2l1.3 1.3M15.5 4.5l-1.3 1.3M5.8 14.2l-1.3 1.3" />
  </Icon>
);

export const MoonIcon = () => (
  <Icon>
    <path d="M16.6 12.1A7 7 0 0 1 7.9 3.4a7 7 0 1 0 8.7 8.7Z" />
  </Icon>
);

export const SystemThemeIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="6.8" />
    <path className="icon-solid" d="M10 3.2a6.8 6.8 0 0 1 0 13.6Z" />
  </Icon>
);

export const OpenIcon = () => (
  <Icon>
    <path d="M5 2.8h6.2L15 6.6v10.6H5ZM11 2.8v4h4" />
  </Icon>
);

export const SampleIcon = () => (
  <Icon>
    <path d="M4 5h12M4 9h12M4 13h7" />
  </Icon>
);

export const ClearIcon = () => (
  <Icon>
    <path d="M5 5l10 10M15 5 5 15" />
  </Icon>
);

export const CopyIcon = () => (
  <Icon>
    <rect x="6.8" y="6.8" width="9.6" height="10" rx="1.6" />
    <path d="M13.2 6.8V4.6A1.4 1.4 0 0 0 11.8 3.2H5A1.4 1.4 0 0 0 3.6 4.6v7.4A1.4 1.4 0 0 0 5 13.4h1.8" />
  </Icon>
);

export const DownloadIcon = () => (
  <Icon>
    <path d="M10 3v9.4M6.2 8.9l3.8 3.8 3.8-3.8M4 16.6h12" />
  </Icon>
);

export const DoneIcon = () => (
  <Icon>
    <path d="m4.5 10.6 3.6 3.6 7.4-8" />
  </Icon>
);

export const StopIcon = () => (
  <Icon>
    <rect className="icon-solid" x="5.4" y="5.4" width="9.2" height="9.2" rx="1.6" />
  </Icon>
);

export const AlertIcon = () => (
  <Icon>
    <circle cx="10" cy="10" r="7" />
    <path d="M10 6.2v4.6M10 13.6v.2" />
  </Icon>
);

export const BrandIcon = () => (
  <svg className="brand-icon" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
    <rect className="brand-ground" width="32" height="32" rx="8" />
    <rect className="brand-line" x="8" y="8.5" width="16" height="2.6" rx="1.3" />
    <rect className="brand-mark" x="8" y="14.7" width="10" height="2.6" rx="1.3" />
    <rect className="brand-faint" x="8" y="20.9" width="13" height="2.6" rx="1.3" />
  </svg>
);
