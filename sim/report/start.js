'use strict';

// Everything that needs a script: shown, started, and handed out under one name.

function start() {
  const data = readData();
  for (const element of document.querySelectorAll('.needs-script')) {
    element.hidden = false;
  }
  startHosts(data.table, data.names);
  const grid = startFleet(data.fleet, data.names);
  if (!grid) {
    return;
  }
  for (const element of document.querySelectorAll('.without-script')) {
    element.hidden = true;
  }
  window.nixfleet = {
    stateOf: (host) => stateOf(grid, host),
    cellAt: (host) => cellAt(grid, host),
    time: () => grid.time,
  };
}

start();
