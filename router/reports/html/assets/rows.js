// The rows of the table, which read their columns, and their whole texts, which stand in blocks of their own.

const ROWS_A_BLOCK = 500;

// A row is its number and reads all else where it stands: a hundred thousand of them are made at once.
function rowsOf(columns) {
  class Row {
    constructor(number) {
      this.number = number;
    }
  }
  for (const [name, { values, codes, names }] of Object.entries(columns)) {
    const read = (number) => (values ? values[number] : names[codes[number]]);
    Object.defineProperty(Row.prototype, name, {
      get() {
        return read(this.number);
      },
      set() {}, // Tabulator writes back what it has just read.
    });
  }
  return columns.id.values.map((_, number) => new Row(number));
}

const opened = new Map();

function textBlock(index) {
  const name = `texts-${index}`;
  if (!opened.has(index)) opened.set(index, document.getElementById(`block-${name}`) ? unpack(name) : Promise.resolve([]));
  return opened.get(index);
}

async function textsOf(row) {
  const block = await textBlock(Math.floor(row.number / ROWS_A_BLOCK));
  return block[row.number % ROWS_A_BLOCK] ?? { cut: true };
}

// All that can be searched, in lower case, one text a row; made when somebody first searches.
let searchable = null;

function searchTexts(rows) {
  searchable ??= (async () => {
    const texts = [];
    let block = [];
    for (const row of rows) {
      if (row.number % ROWS_A_BLOCK === 0) block = await textBlock(row.number / ROWS_A_BLOCK);
      const each = block[row.number % ROWS_A_BLOCK] ?? {};
      const parts = [row.id, each.question ?? row.question, each.expected ?? row.expected, each.answer ?? row.answer];
      const names = [row.prompt, row.provider, row.model, row.reason, row.fault];
      texts.push([...parts, each.response, each.reasoning, each.why, ...names].join("\n").toLowerCase());
    }
    return texts;
  })();
  return searchable;
}
