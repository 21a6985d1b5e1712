// Markdown as documentation uses it: headings, lists, tables, code, quotes, links. Builds elements, never HTML text.
import type { ReactNode } from 'react';
import { blocks, type Block } from './blocks';
import styles from './Markdown.module.css';

const INLINE = /(`[^`]+`)|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)\s]+)\)/g;

function inline(text: string): ReactNode[] {
  const out: ReactNode[] = [];
  let at = 0;
  for (const found of text.matchAll(INLINE)) {
    if (found.index > at) out.push(text.slice(at, found.index));
    const [whole, code, strong, emphasis, label, url = ''] = found;
    const key = found.index;
    if (code) out.push(<code key={key}>{code.slice(1, -1)}</code>);
    else if (strong) out.push(<strong key={key}>{inline(strong)}</strong>);
    else if (emphasis) out.push(<em key={key}>{inline(emphasis)}</em>);
    else if (label && /^(https?:\/\/|\/|#|mailto:)/.test(url)) out.push(<a key={key} href={url} rel="noreferrer">{inline(label)}</a>);
    else out.push(label ?? whole);
    at = found.index + whole.length;
  }
  if (at < text.length) out.push(text.slice(at));
  return out;
}

function render(block: Block, key: number, above: number): ReactNode {
  switch (block.type) {
    case 'heading': {
      const Tag = `h${Math.min(6, block.level + above)}` as 'h3';
      return (
        <Tag key={key} id={block.id}>
          {inline(block.text)}
        </Tag>
      );
    }
    case 'paragraph':
      return <p key={key}>{inline(block.text)}</p>;
    case 'code':
      return (
        <pre key={key} tabIndex={0} aria-label="Example">
          {block.text}
        </pre>
      );
    case 'quote':
      return <blockquote key={key}>{block.blocks.map((inner, i) => render(inner, i, above))}</blockquote>;
    case 'list': {
      const Tag = block.ordered ? 'ol' : 'ul';
      return (
        <Tag key={key}>
          {block.items.map((item, i) => (
            <li key={i}>{inline(item)}</li>
          ))}
        </Tag>
      );
    }
    case 'table':
      return (
        <div key={key} className="scroll">
          <table className={styles.table}>
            <thead>
              <tr>
                {block.head.map((cell, i) => (
                  <th key={i}>{inline(cell)}</th>
                ))}
              </tr>
            </thead>
            <tbody>
              {block.rows.map((row, i) => (
                <tr key={i}>
                  {row.map((cell, j) => (
                    <td key={j}>{inline(cell)}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      );
  }
}

/** `above` is the level of the heading that the text stands under. */
export function Markdown({ text, above = 2 }: { text: string; above?: number }) {
  return <div className={`prose ${styles.text}`}>{blocks(text).map((block, i) => render(block, i, above))}</div>;
}
