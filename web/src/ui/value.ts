// Values as people write them.

export function plain(value: unknown): string {
  if (value === undefined) return '';
  if (value === null) return 'null';
  if (typeof value === 'string') return value === '' ? '""' : value;
  if (typeof value === 'object') return yaml(value).trimEnd();
  return String(value);
}

const PLAIN = /^[A-Za-z_/.][A-Za-z0-9_ ./@+:-]*$/;
const RESERVED = /^(true|false|yes|no|on|off|null|~|y|n)$/i;

function scalar(value: unknown): string {
  if (typeof value === 'string') {
    return PLAIN.test(value) && !RESERVED.test(value) && !/: |:$|\s$/.test(value) ? value : JSON.stringify(value);
  }
  return value === undefined ? 'null' : String(value);
}

/** A small YAML writer for values in patches and diffs. */
export function yaml(value: unknown, indent = 0): string {
  const pad = ' '.repeat(indent);
  if (Array.isArray(value)) {
    if (value.length === 0) return `${pad}[]\n`;
    return value.map((item) => `${pad}- ${yaml(item, indent + 2).trimStart()}`).join('');
  }
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value);
    if (members.length === 0) return `${pad}{}\n`;
    return members
      .map(([key, item]) => {
        const nested = item !== null && typeof item === 'object' && Object.keys(item).length > 0;
        return nested ? `${pad}${scalar(key)}:\n${yaml(item, indent + 2)}` : `${pad}${scalar(key)}: ${yaml(item).trimStart()}`;
      })
      .join('');
  }
  return `${pad}${scalar(value)}\n`;
}

/** `/spec/containers/0/image` as `spec.containers[0].image`. */
export function dotted(pointer: string): string {
  return pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part, i) => (/^\d+$/.test(part) ? `[${part}]` : /[./]/.test(part) ? `["${part}"]` : i === 0 ? part : `.${part}`))
    .join('');
}
