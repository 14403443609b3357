// A table that is wider than its box can be scrolled by keyboard too.
function makeScrollableTablesReachable() {
  document.querySelectorAll('article table').forEach(table => {
    if (table.scrollWidth > table.clientWidth) { table.tabIndex = 0; } else { table.removeAttribute('tabindex'); }
  });
}

window.addEventListener('load', () => {
  makeScrollableTablesReachable();
  // Sphinx calls the list of references a list, but not its entries list items.
  document.querySelectorAll('.citation-list').forEach(list => list.removeAttribute('role'));
});
window.addEventListener('resize', makeScrollableTablesReachable);
