// Markdown text to blocks.

export type Block =
  | { type: 'heading'; level: number; text: string; id: string }
  | { type: 'paragraph'; text: string }
  | { type: 'code'; text: string }
  | { type: 'quote'; blocks: Block[] }
  | { type: 'list'; ordered: boolean; items: string[] }
  | { type: 'table'; head: string[]; rows: string[][] };

const ITEM = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;

export const anchor = (text: string) => text.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');

const cells = (line: string) => line.trim().replace(/^\||\|$/g, '').split('|').map((cell) => cell.trim());

export function blocks(text: string): Block[] {
  const lines = text.replaceAll('\r', '').split('\n');
  const out: Block[] = [];
  let i = 0;
  const while_ = (test: (line: string) => boolean) => {
    const from = i;
    while (i < lines.length && test(lines[i] as string)) i++;
    return lines.slice(from, i);
  };
  while (i < lines.length) {
    const line = lines[i] as string;
    const heading = /^(#{1,6})\s+(.+?)\s*#*$/.exec(line);
    const item = ITEM.exec(line);
    if (line.trim() === '') {
      i++;
    } else if (heading) {
      out.push({ type: 'heading', level: heading[1]?.length ?? 1, text: heading[2] ?? '', id: anchor(heading[2] ?? '') });
      i++;
    } else if (/^(```|~~~)/.test(line)) {
      const fence = line.slice(0, 3);
      i++;
      out.push({ type: 'code', text: while_((l) => !l.startsWith(fence)).join('\n') });
      i++;
    } else if (line.startsWith('>')) {
      const inner = while_((l) => l.startsWith('>')).map((l) => l.replace(/^>\s?/, ''));
      out.push({ type: 'quote', blocks: blocks(inner.join('\n')) });
    } else if (line.includes('|') && /^\s*\|?\s*:?-+/.test(lines[i + 1] ?? '')) {
      i += 2;
      out.push({ type: 'table', head: cells(line), rows: while_((l) => l.includes('|')).map(cells) });
    } else if (item) {
      const items: string[] = [];
      for (const next of while_((l) => l.trim() !== '' && (ITEM.test(l) || /^\s{2,}/.test(l)))) {
        const found = ITEM.exec(next);
        if (found) items.push(found[3] ?? '');
        else items.push(`${items.pop() ?? ''} ${next.trim()}`);
      }
      out.push({ type: 'list', ordered: /\d/.test(item[2] ?? ''), items });
    } else {
      const paragraph = while_((l) => l.trim() !== '' && !/^(#{1,6}\s|```|~~~|>)/.test(l) && !ITEM.test(l));
      out.push({ type: 'paragraph', text: paragraph.join(' ') });
    }
  }
  return out;
}
