// Mantine over our tokens: its own variables point at ours, so both themes have one source.
import { type CSSVariablesResolver, createTheme } from '@mantine/core';

const ACCENT = ['#eef0ff', '#e0e2ff', '#c6c8ff', '#a5a6ff', '#8583f5', '#6b66ea', '#5a55dd', '#4f46e5', '#4338ca', '#372fa3'] as const;

/** Mantine's dark shades: text first, then borders, hovers and surfaces. */
const DARK = ['#e7e9ee', '#c3c8d2', '#9ba3b2', '#74839d', '#3b4250', '#262b35', '#1b1f27', '#15181e', '#101318', '#0f1115'] as const;

export const theme = createTheme({
  primaryColor: 'accent',
  primaryShade: { light: 7, dark: 6 },
  colors: { accent: [...ACCENT], dark: [...DARK] },
  fontFamily: 'var(--sans)',
  fontFamilyMonospace: 'var(--mono)',
  fontSizes: { xs: '12px', sm: '14px', md: '14px', lg: '17px', xl: '22px' },
  defaultRadius: 6,
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    Button: { defaultProps: { size: 'xs' }, vars: () => ({ root: { '--button-fz': '14px' } }), styles: { root: { fontWeight: 400 } } },
    TextInput: { defaultProps: { size: 'sm' } },
    Tooltip: { defaultProps: { openDelay: 250, withArrow: false } },
    Modal: { defaultProps: { centered: true, overlayProps: { backgroundOpacity: 0.35, blur: 1 } } },
  },
});

const both = {
  '--mantine-color-body': 'var(--surface)',
  '--mantine-color-text': 'var(--text)',
  '--mantine-color-dimmed': 'var(--dim)',
  '--mantine-color-placeholder': 'var(--dim)',
  '--mantine-color-default': 'var(--surface)',
  '--mantine-color-default-hover': 'var(--hover)',
  '--mantine-color-default-border': 'var(--line-strong)',
  '--mantine-color-default-color': 'var(--text)',
  '--mantine-color-error': 'var(--bad)',
  '--mantine-color-anchor': 'var(--accent-text)',
};

export const variables: CSSVariablesResolver = () => ({ variables: {}, light: both, dark: both });
