// Finding by typing: every word must occur; beginnings of words and early places win.

function score(text: string, words: string[]): number {
  let total = 0;
  for (const word of words) {
    const at = text.indexOf(word);
    if (at < 0) return -1;
    const start = at === 0 || /[\s/:._-]/.test(text[at - 1] ?? '');
    total += (start ? 100 : 40) - Math.min(at, 30);
  }
  return total;
}

export function rank<T>(items: T[], query: string, text: (item: T) => string): T[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return items;
  return items
    .map((item, index) => ({ item, index, score: score(text(item).toLowerCase(), words) }))
    .filter((found) => found.score >= 0)
    .sort((a, b) => b.score - a.score || a.index - b.index)
    .map((found) => found.item);
}
