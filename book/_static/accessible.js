// A table that is wider than its box can be scrolled by keyboard too.
function makeScrollableTablesReachable() {
  document.querySelectorAll('article table').forEach(table => {
    if (table.scrollWidth > table.clientWidth) { table.tabIndex = 0; } else { table.removeAttribute('tabindex'); }
  });
}

// The title of what is folded says more than "Toggle hidden content", which would be read in its place.
function nameFoldedCells() {
  document.querySelectorAll('details.hide > summary').forEach(summary => summary.removeAttribute('aria-label'));
}

window.addEventListener('load', () => {
  nameFoldedCells();
  makeScrollableTablesReachable();
  // Sphinx calls the list of references a list, but not its entries list items.
  document.querySelectorAll('.citation-list').forEach(list => list.removeAttribute('role'));
});
window.addEventListener('resize', makeScrollableTablesReachable);
