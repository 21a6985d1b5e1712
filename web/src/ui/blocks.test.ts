import { describe, expect, it } from 'vitest';
import { blocks } from './blocks';

describe('markdown', () => {
  it('knows its blocks', () => {
    const text = '# Title\n\nOne\ntwo\n\n- a\n  more\n- b\n\n1. x\n\n```sh\n# not a title\n```\n\n> quoted\n\n| h | i |\n|---|---|\n| 1 | 2 |\n';
    expect(blocks(text)).toEqual([
      { type: 'heading', level: 1, text: 'Title', id: 'title' },
      { type: 'paragraph', text: 'One two' },
      { type: 'list', ordered: false, items: ['a more', 'b'] },
      { type: 'list', ordered: true, items: ['x'] },
      { type: 'code', text: '# not a title' },
      { type: 'quote', blocks: [{ type: 'paragraph', text: 'quoted' }] },
      { type: 'table', head: ['h', 'i'], rows: [['1', '2']] },
    ]);
  });

  it('ends, whatever it reads', () => {
    for (const text of ['```', '>', '- ', '|', '| a\n|-', '#', '###### x', ' \n  - x']) expect(blocks(text)).toBeInstanceOf(Array);
  });
});
