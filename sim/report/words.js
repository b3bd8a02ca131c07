'use strict';

// Times and counts as people say them; the same words as `sim/result/words.py`, so that the page speaks with one voice.

/** A whole number with thousands separated. */
function count(number) {
  return number.toLocaleString('en');
}

/** `1 host`, `1,200 hosts`. */
function counted(number, noun) {
  return `${count(number)} ${noun}${number === 1 ? '' : 's'}`;
}

const LONGEST_NAME = 64;

/** A name without its middle, where it is long. */
function shortened(name) {
  const letters = Array.from(name);
  if (letters.length <= LONGEST_NAME) {
    return name;
  }
  const tail = Math.floor((LONGEST_NAME - 1) / 2);
  return `${letters.slice(0, LONGEST_NAME - 1 - tail).join('')}…${letters.slice(letters.length - tail).join('')}`;
}

/** Seconds as `2d3h`, `1h30m`, `4m10s`, `12.5s` or `40ms`: the two largest units. */
function duration(seconds) {
  if (seconds > 0 && seconds < 0.9995) {
    return `${Number((seconds * 1000).toPrecision(3))}ms`;
  }
  if (seconds < 59.95) {
    return `${seconds.toFixed(1).replace(/\.0$/, '')}s`;
  }
  let left = roundedToEven(seconds);
  if (left >= 86400) {
    left = roundedToEven(seconds / 3600) * 3600;
  } else if (left >= 3600) {
    left = roundedToEven(seconds / 60) * 60;
  }
  let said = '';
  for (const [unit, length] of [['d', 86400], ['h', 3600], ['m', 60]]) {
    const many = Math.floor(left / length);
    left -= many * length;
    if (many) {
      said += `${many}${unit}`;
    }
  }
  return said + (left ? `${left}s` : '');
}

/** As Python rounds: a half goes to the even neighbour. */
function roundedToEven(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) {
    return Math.round(value);
  }
  return below % 2 === 0 ? below : below + 1;
}
