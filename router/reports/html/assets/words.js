// What differs between two texts, word by word.

const MAX_CELLS = 4_000_000;

function wordsOf(text) {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) ?? [];
}

// Pieces of both texts: [word, whether the other text has it at this place]; null where they are too long to compare.
function wordDiff(left, right) {
  const a = wordsOf(left);
  const b = wordsOf(right);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) start++;
  let end = 0;
  while (end < a.length - start && end < b.length - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  const m = a.length - start - end;
  const n = b.length - start - end;
  if ((m + 1) * (n + 1) > MAX_CELLS) return null;
  const same = commonWords(a.slice(start, start + m), b.slice(start, start + n));
  const told = (words, own) => words.map((word, i) => [word, i < start || i >= words.length - end || own.has(i - start)]);
  return [told(a, same[0]), told(b, same[1])];
}

// The places of a longest common subsequence in either list.
function commonWords(a, b) {
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] =
        a[i] === b[j]
          ? lengths[(i + 1) * width + j + 1] + 1
          : Math.max(lengths[(i + 1) * width + j], lengths[i * width + j + 1]);
    }
  }
  const found = [new Set(), new Set()];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      found[0].add(i++);
      found[1].add(j++);
    } else if (lengths[(i + 1) * width + j] >= lengths[i * width + j + 1]) i++;
    else j++;
  }
  return found;
}
