// Sets the colour scheme before the first paint; the portal itself keeps it up to date.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem('ridgeway-theme');
  } catch (error) {
    // No storage: the system decides.
  }
  var dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light');
})();
