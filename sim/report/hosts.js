'use strict';

// The table of hosts: all rows as columns of numbers, of which the first few that match are in the page.

/** Make the table sortable and searchable. */
function startHosts(table, names) {
  const element = document.getElementById('host-table');
  const search = document.getElementById('search');
  const view = {
    table,
    body: element.tBodies[0],
    data: unpackAll(table.data),
    texts: { host: names, rollout: table.rollouts, state: table.states },
    sorted: null,
    descending: false,
    query: '',
  };
  view.rows = Uint32Array.from({ length: table.rows }, (_, row) => row);
  if (!table.rows) {
    return;
  }
  for (const heading of element.tHead.querySelectorAll('th')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = heading.textContent;
    heading.textContent = '';
    heading.append(button);
    heading.setAttribute('aria-sort', 'none');
    button.addEventListener('click', () => {
      view.descending = view.sorted === heading.dataset.key ? !view.descending : false;
      view.sorted = heading.dataset.key;
      for (const other of element.tHead.querySelectorAll('th')) {
        other.setAttribute('aria-sort', 'none');
      }
      heading.setAttribute('aria-sort', view.descending ? 'descending' : 'ascending');
      view.rows = sortedRows(view);
      show(view);
    });
  }
  search.addEventListener('input', () => {
    view.query = search.value.trim().toLowerCase();
    show(view);
  });
}

/** The rows in the order of the chosen column; what is null, or 0 and not shown, comes last in both directions. */
function sortedRows(view) {
  const key = view.sorted;
  const column = view.data[key];
  const words = view.texts[key];
  // comparing 10,000 ranks is quick, comparing as many words again and again is not
  const rank = words ? rankOf(words) : null;
  const sign = view.descending ? -1 : 1;
  return Uint32Array.from(view.rows).sort((one, other) => {
    const left = column[one];
    const right = column[other];
    if (!rank && (left === NEVER || right === NEVER)) {
      return left === right ? one - other : left === NEVER ? 1 : -1;
    }
    const difference = rank ? rank[left] - rank[right] : left - right;
    return sign * difference || one - other;
  });
}

function rankOf(words) {
  const order = Array.from(words.keys()).sort((one, other) => (words[one] < words[other] ? -1 : words[one] > words[other] ? 1 : 0));
  const rank = new Uint32Array(words.length);
  order.forEach((word, place) => {
    rank[word] = place;
  });
  return rank;
}

/** Put the first rows that match into the page, and say how many there are. */
function show(view) {
  const matching = matchingRows(view);
  const shown = matching.slice(0, view.table.shown);
  const rows = Array.from(shown, (row) => rowElement(view, row));
  if (!rows.length) {
    rows.push(nothing(view));
  }
  view.body.replaceChildren(...rows);
  document.getElementById('rows-shown').textContent = rowsShown(view, shown.length, matching.length);
}

function rowsShown(view, shown, matching) {
  const { table, query } = view;
  if (!matching) {
    return `no ${table.noun} matches`;
  }
  let of = counted(matching, table.noun);
  if (query) {
    of += ` that match${matching === 1 ? 'es' : ''}`;
  }
  if (table.rows < table.of) {
    of += ` held here, of ${count(table.of)} in all`;
  }
  if (shown < matching) {
    return `the first ${count(shown)} of ${of}`;
  }
  return matching > 1 ? `all ${of}` : of;
}

function matchingRows(view) {
  if (!view.query) {
    return view.rows;
  }
  const hits = {};
  for (const [key, words] of Object.entries(view.texts)) {
    hits[key] = words.map((word) => word.toLowerCase().includes(view.query));
  }
  return view.rows.filter((row) => Object.keys(hits).some((key) => hits[key][view.data[key][row]]));
}

function rowElement(view, row) {
  const element = document.createElement('tr');
  view.table.columns.forEach(({ key, kind }, place) => {
    const cell = document.createElement(place === 0 ? 'th' : 'td');
    if (place === 0) {
      cell.scope = 'row';
    }
    if (kind !== 'text') {
      cell.className = 'number';
    }
    const whole = words(view, key, kind, view.data[key][row]);
    cell.textContent = shortened(whole);
    if (cell.textContent !== whole) {
      cell.title = whole;
    }
    element.append(cell);
  });
  return element;
}

/** A cell's text, as the page has it without a script (`sim/report/hosts.py`). */
function words(view, key, kind, value) {
  if (kind === 'text') {
    return view.texts[key][value];
  }
  if (value === NEVER) {
    return key === 'wave' ? 'none' : 'never';
  }
  if (kind === 'time') {
    return value || key === 'converged' ? duration(value / view.table.rate) : '';
  }
  return value || key === 'wave' ? count(value) : '';
}

function nothing(view) {
  const element = document.createElement('tr');
  const cell = document.createElement('td');
  cell.colSpan = view.table.columns.length;
  cell.textContent = `No ${view.table.noun} matches.`;
  element.append(cell);
  return element;
}
