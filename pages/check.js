const box = document.querySelector('input'), rows = [...document.querySelectorAll('tbody tr')];
box.oninput = () => { const text = box.value.toLowerCase();
  for (const row of rows) row.hidden = !row.textContent.toLowerCase().includes(text); };
