'use strict';

// The fleet over time: a cell a host, or a bar of shares a wave where the hosts are too many, moved by a slider.

const GAP = 14;
const HEADING = 20;
const BAR = 30;
const LARGEST = 22;
const SMALLEST = 4;
const MOST_HEIGHT = 460;
const LONGEST_PLAY = 20;
const SHORTEST_PLAY = 2;
const PLAYED_A_SECOND = 12;
const CALM_STEPS = 20;
const THINNEST = 2;

/** Build the grid and its controls. */
function startFleet(fleet, names) {
  const slider = document.getElementById('time');
  const canvas = document.getElementById('grid');
  if (!slider || !canvas) {
    return null;
  }
  const rollouts = new Map();
  const grid = { fleet, names, slider, canvas, rollout: null, layout: null, states: null, counts: [], time: fleet.ended, position: 0, pointed: null };

  function select(id) {
    if (!rollouts.has(id)) {
      rollouts.set(id, opened(fleet.rollouts.find((one) => one.id === id), names));
    }
    grid.rollout = rollouts.get(id);
    grid.pointed = null;
    arrange(grid);
    // where the slider was in time, as near as the rollout has a change
    const last = grid.rollout.moments.length - 1;
    const present = tickOf(grid.time, fleet.rate);
    slider.max = String(last);
    slider.value = String(Math.max(grid.rollout.moments.findLastIndex((tick) => tick <= present), 0));
    move();
  }

  function move() {
    grid.position = Math.round(Number(slider.value));
    grid.time = Math.min(grid.rollout.moments[grid.position] / fleet.rate, fleet.ended);
    update(grid);
  }

  const choice = document.getElementById('rollout');
  const first = choice ? choice.value : fleet.rollouts[0].id;
  select(first);
  if (choice) {
    choice.addEventListener('change', () => select(choice.value));
  }
  slider.addEventListener('input', move);
  startPlay(slider, move);
  startPointing(grid);
  new ResizeObserver(() => {
    if (Math.abs(canvas.clientWidth - grid.layout.width) >= 1) {
      arrange(grid);
      update(grid);
    }
  }).observe(canvas);
  return grid;
}

/** A rollout of the data block with its columns unpacked. */
function opened(rollout, names) {
  const columns = unpackAll(rollout.columns);
  const one = { ...rollout, columns, moments: unpack(rollout.moments) };
  if (rollout.kind === 'cells') {
    one.place = new Map(Array.from(columns.hosts, (number, place) => [names[number], place]));
  }
  return one;
}

/** The state of every host of a rollout at a tick, as indices into the list of states. */
function statesAt(rollout, states, tick) {
  const found = new Uint8Array(rollout.columns.hosts.length);
  const since = new Uint32Array(found.length);
  // in the order in which a host can go through them: of two at one time the later counts
  for (let state = 1; state < states.length; state += 1) {
    const entered = rollout.columns[states[state]];
    if (!entered) {
      continue;
    }
    for (let place = 0; place < found.length; place += 1) {
      if (entered[place] <= tick && entered[place] >= since[place]) {
        found[place] = state;
        since[place] = entered[place];
      }
    }
  }
  return found;
}

/** Where everything goes at the canvas's present width; all in CSS pixels. */
function arrange(grid) {
  const { canvas, rollout } = grid;
  const width = Math.max(canvas.clientWidth, 120);
  const groups = [];
  let size = BAR;
  let top = 0;
  if (rollout.kind === 'cells') {
    size = LARGEST;
    while (size > SMALLEST && heightWith(size, width, rollout.sizes) > MOST_HEIGHT) {
      size -= 1;
    }
  }
  let begin = 0;
  rollout.waves.forEach((name, number) => {
    const columns = Math.max(Math.floor(width / size), 1);
    const rows = rollout.kind === 'cells' ? Math.ceil(rollout.sizes[number] / columns) : 1;
    groups.push({ name, begin, hosts: rollout.sizes[number], top: top + HEADING, columns });
    begin += rollout.sizes[number];
    top += HEADING + rows * size + GAP;
  });
  const height = Math.max(top - GAP, 1);
  canvas.style.height = `${height}px`;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  grid.layout = { width, height, size, groups, inset: size > 6 ? 1 : 0, outline: size > 8 };
  grid.states = null;
  const pen = canvas.getContext('2d');
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  pen.fillStyle = '#20242a';
  // the lightest state would be lost on white
  pen.strokeStyle = 'rgba(32, 36, 42, 0.28)';
  pen.lineWidth = 1;
  pen.font = '13px system-ui, sans-serif';
  pen.textBaseline = 'alphabetic';
  for (const group of groups) {
    pen.fillText(`${shortened(rollout.channel)}, ${group.name}: ${counted(group.hosts, 'host')}`, 0, group.top - 6, width);
  }
}

function heightWith(size, width, sizes) {
  const columns = Math.max(Math.floor(width / size), 1);
  return sizes.reduce((sum, hosts) => sum + HEADING + Math.ceil(hosts / columns) * size + GAP, -GAP);
}

/** Draw the slider's time, and say it. */
function update(grid) {
  const { fleet, rollout, slider, time } = grid;
  grid.counts = rollout.kind === 'cells' ? drawCells(grid) : drawShares(grid);
  const shown = duration(time);
  document.getElementById('time-shown').textContent = shown;
  const stage = stageAt(rollout, time);
  document.getElementById('stage').textContent = stage;
  slider.setAttribute('aria-valuetext', `${shown}, ${stage}`);
  const said = [];
  fleet.states.forEach((state, number) => {
    const item = document.querySelector(`#legend [data-state="${state}"]`);
    item.querySelector('.count').textContent = count(grid.counts[number]);
    if (grid.counts[number]) {
      said.push(`${count(grid.counts[number])} ${state}`);
    }
  });
  grid.canvas.setAttribute('aria-label', `Hosts of ${rollout.id} at ${shown}, ${stage}: ${said.join(', ')}`);
  document.getElementById('cell').textContent = pointedOut(grid);
}

/** What a rollout is doing at a time, in words. */
function stageAt(rollout, time) {
  const begun = rollout.stages.filter(([since]) => since <= time);
  return begun.length ? begun[begun.length - 1][1] : 'not open yet';
}

/** The tick of a time in seconds, rounded up: what happened by then has happened. */
function tickOf(time, rate) {
  return Math.ceil(time * rate - 1e-6);
}

/** Paint the cells whose state is not the one they show; hosts per state. */
function drawCells(grid) {
  const { fleet, rollout, layout, canvas } = grid;
  const before = grid.states;
  const now = statesAt(rollout, fleet.states, rollout.moments[grid.position]);
  const pen = canvas.getContext('2d');
  const inner = layout.size - 2 * layout.inset;
  const colours = fleet.states.map((state) => fleet.colours[state]);
  const counts = new Array(colours.length).fill(0);
  let colour = -1;
  for (const group of layout.groups) {
    for (let place = 0; place < group.hosts; place += 1) {
      const host = group.begin + place;
      const state = now[host];
      counts[state] += 1;
      if (before && before[host] === state) {
        continue;
      }
      if (state !== colour) {
        pen.fillStyle = colours[state];
        colour = state;
      }
      const x = (place % group.columns) * layout.size + layout.inset;
      const y = group.top + Math.floor(place / group.columns) * layout.size + layout.inset;
      pen.fillRect(x, y, inner, inner);
      if (layout.outline) {
        pen.strokeRect(x + 0.5, y + 0.5, inner - 1, inner - 1);
      }
    }
  }
  grid.states = now;
  return counts;
}

/** Paint a bar of shares per wave; hosts per state. */
function drawShares(grid) {
  const { fleet, rollout, layout, canvas, position } = grid;
  const many = rollout.moments.length;
  const pen = canvas.getContext('2d');
  const counts = new Array(fleet.states.length).fill(0);
  layout.groups.forEach((group, number) => {
    const hosts = fleet.stacked.map((state) => {
      const column = rollout.columns[state];
      return column ? column[number * many + position] : 0;
    });
    hosts.forEach((inState, place) => {
      counts[fleet.states.indexOf(fleet.stacked[place])] += inState;
    });
    const widths = widthsOf(hosts, layout.width);
    let x = 0;
    fleet.stacked.forEach((state, place) => {
      pen.fillStyle = fleet.colours[state];
      pen.fillRect(x, group.top, widths[place], layout.size);
      x += widths[place];
    });
  });
  return counts;
}

/** How wide each state's part of a bar is: by its hosts, but a state with any is seen, be it one host of thousands. */
function widthsOf(hosts, width) {
  const all = hosts.reduce((sum, one) => sum + one, 0);
  const least = hosts.map((one) => (one && (one / all) * width < THINNEST ? THINNEST : 0));
  const left = width - least.reduce((sum, one) => sum + one, 0);
  const wide = hosts.reduce((sum, one, place) => sum + (least[place] ? 0 : one), 0);
  return hosts.map((one, place) => least[place] || (wide ? (one / wide) * left : 0));
}

/** Let the button play the run from where the slider is, or from the start once it is at the end. */
function startPlay(slider, move) {
  const button = document.getElementById('play');
  const shown = document.getElementById('time-shown');
  let playing = false;
  let last = 0;
  let at = 0;

  function stop() {
    playing = false;
    button.textContent = 'Play';
    button.setAttribute('aria-pressed', 'false');
    shown.removeAttribute('aria-live');
  }

  function go(time) {
    at = Math.min(time, Number(slider.max));
    slider.value = String(at);
    move();
    if (at >= Number(slider.max)) {
      stop();
    }
  }

  function frame(now) {
    if (!playing) {
      return;
    }
    const whole = Math.min(Math.max(Number(slider.max) / PLAYED_A_SECOND, SHORTEST_PLAY), LONGEST_PLAY);
    go(at + (Math.min(now - last, 250) / 1000 / whole) * Number(slider.max));
    last = now;
    window.requestAnimationFrame(frame);
  }

  function tick() {
    if (playing) {
      go(at + Math.max(Number(slider.max) / CALM_STEPS, 1));
      window.setTimeout(tick, 1000);
    }
  }

  button.addEventListener('click', () => {
    if (playing) {
      stop();
      return;
    }
    playing = true;
    button.textContent = 'Pause';
    button.setAttribute('aria-pressed', 'true');
    // a screen reader is not to be told every frame
    shown.setAttribute('aria-live', 'off');
    at = Number(slider.value) >= Number(slider.max) ? 0 : Number(slider.value);
    slider.value = String(at);
    move();
    if (window.matchMedia('(prefers-reduced-motion: reduce)').matches) {
      window.setTimeout(tick, 1000);
    } else {
      last = performance.now();
      window.requestAnimationFrame(frame);
    }
  });
  // whoever takes the slider takes over
  slider.addEventListener('input', stop);
}

/** Keep in mind which host or wave the pointer was on last, and say it. */
function startPointing(grid) {
  function point(event) {
    const box = grid.canvas.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    const number = waveUnder(grid, y);
    const group = grid.layout.groups[number];
    const host = group ? hostUnder(grid, group, x, y) : -1;
    if (host >= 0 || (group && grid.rollout.kind === 'shares')) {
      grid.pointed = { number, host };
      document.getElementById('cell').textContent = pointedOut(grid);
    }
  }

  grid.canvas.addEventListener('pointermove', point);
  grid.canvas.addEventListener('click', point);
}

/** The host or wave that the pointer was on last, and what it is at the slider's time. */
function pointedOut(grid) {
  const { rollout, fleet, pointed } = grid;
  if (!pointed) {
    return '';
  }
  const wave = `${grid.layout.groups[pointed.number].name} of ${rollout.channel}`;
  if (pointed.host < 0) {
    return `${wave}: ${sharesOf(grid, pointed.number)}`;
  }
  return `${grid.names[rollout.columns.hosts[pointed.host]]}: ${wave}, ${fleet.states[grid.states[pointed.host]]}`;
}

function waveUnder(grid, y) {
  const { layout } = grid;
  return layout.groups.findLastIndex((group) => y >= group.top);
}

function hostUnder(grid, group, x, y) {
  const { layout, rollout } = grid;
  const column = Math.floor(x / layout.size);
  const place = Math.floor((y - group.top) / layout.size) * group.columns + column;
  const inside = rollout.kind === 'cells' && x >= 0 && column < group.columns && place < group.hosts;
  return inside ? group.begin + place : -1;
}

function sharesOf(grid, number) {
  const { fleet, rollout } = grid;
  const said = [];
  for (const state of fleet.stacked) {
    const column = rollout.columns[state];
    const hosts = column ? column[number * rollout.moments.length + grid.position] : 0;
    if (hosts) {
      said.push(`${count(hosts)} ${state}`);
    }
  }
  return said.join(', ');
}

/** The state of a host at the slider's time in the selected rollout; null where it has no cell there. */
function stateOf(grid, host) {
  const { rollout, fleet, states } = grid;
  const place = rollout.place ? rollout.place.get(host) : undefined;
  return place === undefined ? null : fleet.states[states[place]];
}

/** Where a host's cell is, in CSS pixels from the corner of the canvas; null where it has none. */
function cellAt(grid, host) {
  const { rollout, layout } = grid;
  const number = rollout.place ? rollout.place.get(host) : undefined;
  if (number === undefined) {
    return null;
  }
  const group = layout.groups.find((one) => number < one.begin + one.hosts);
  const place = number - group.begin;
  return {
    x: (place % group.columns) * layout.size,
    y: group.top + Math.floor(place / group.columns) * layout.size,
    width: layout.size,
    height: layout.size,
  };
}
