// Keeps a page live and gives it keys. Everything works without it.
const policy = self.trustedTypes?.createPolicy('ww', { createHTML: (html) => html });
const parse = (html) => new DOMParser().parseFromString(policy ? policy.createHTML(html) : html, 'text/html');

// The choice of light or dark, kept in a cookie that the server reads.
const theme = document.querySelector('.theme');
const isDark = () => document.documentElement.dataset.theme
  ? document.documentElement.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
const nameTheme = () => { theme.textContent = isDark() ? 'Light' : 'Dark'; };
theme.hidden = false;
nameTheme();
theme.addEventListener('click', () => {
  const chosen = isDark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = chosen;
  document.cookie = `ww_theme=${chosen};path=/;max-age=31536000;samesite=strict`;
  nameTheme();
});
for (const field of document.querySelectorAll('.filter select')) {
  field.addEventListener('change', () => field.form.requestSubmit());
}
