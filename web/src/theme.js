/* theme.js - light or dark: the system's by default, the person's once chosen. `version` counts changes, for canvases. */
import { signal } from '@preact/signals';

const KEY = 'pagoda.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

export const themeVersion = signal(0);
system.addEventListener('change', () => themeVersion.value++);

export function currentTheme() {
  return document.documentElement.dataset.theme ?? (system.matches ? 'dark' : 'light');
}

export function toggleTheme() {
  const next = currentTheme() === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    /* not remembered, but set */
  }
  themeVersion.value++;
}
