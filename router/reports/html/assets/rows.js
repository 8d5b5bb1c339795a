// The rows of the table out of columns, and their whole texts, which stand in blocks of their own.

const ROWS_A_BLOCK = 500;

function rowsOf(columns) {
  const names = Object.keys(columns);
  const readers = names.map((name) => {
    const column = columns[name];
    return column.values ? (i) => column.values[i] : (i) => column.names[column.codes[i]];
  });
  const first = columns.id.values;
  const rows = first.map((_, number) => {
    const row = { number };
    for (let c = 0; c < names.length; c++) row[names[c]] = readers[c](number);
    return row;
  });
  markFlipped(rows);
  return rows;
}

// An item is flipped where some of its answers are right and others are not; errors say nothing about that.
function markFlipped(rows) {
  const seen = new Map();
  const bit = { right: 1, wrong: 2, unparsable: 2 };
  for (const row of rows) seen.set(row.id, (seen.get(row.id) ?? 0) | (bit[row.outcome] ?? 0));
  for (const row of rows) row.flipped = seen.get(row.id) === 3;
}

const opened = new Map();

function textBlock(index) {
  if (!opened.has(index)) opened.set(index, unpack(`texts-${index}`));
  return opened.get(index);
}

async function textsOf(row) {
  const block = await textBlock(Math.floor(row.number / ROWS_A_BLOCK));
  return block[row.number % ROWS_A_BLOCK];
}

// All that can be searched, in lower case, one text a row; made when somebody first searches.
let searchable = null;

function searchTexts(rows) {
  searchable ??= (async () => {
    const blocks = Math.ceil(rows.length / ROWS_A_BLOCK);
    const texts = [];
    for (let index = 0; index < blocks; index++) {
      for (const each of await textBlock(index)) {
        const row = rows[texts.length];
        const parts = [row.id, each.question ?? row.question, each.expected ?? row.expected, each.answer ?? row.answer];
        texts.push([...parts, each.response, each.reasoning, each.why, row.fault].join("\n").toLowerCase());
      }
    }
    return texts;
  })();
  return searchable;
}
