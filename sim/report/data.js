'use strict';

// The page's data block: columns of 32-bit numbers in base64 (`sim/report/packed.py`).

const NEVER = 0xffffffff;

/** The data block, its columns still packed. */
function readData() {
  return JSON.parse(document.getElementById('data').textContent);
}

/** A packed column as numbers. */
function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const numbers = new Uint32Array(bytes.length / 4);
  for (let place = 0; place < numbers.length; place += 1) {
    numbers[place] = view.getUint32(4 * place, true);
  }
  return numbers;
}

/** Every column of an object, unpacked. */
function unpackAll(columns) {
  return Object.fromEntries(Object.entries(columns).map(([name, text]) => [name, unpack(text)]));
}
