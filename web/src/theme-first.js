/* theme-first.js - runs before the first paint, so that a chosen theme does not flash. */
try {
  const chosen = localStorage.getItem('pagoda.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  /* storage may be forbidden: the system's theme stands */
}
