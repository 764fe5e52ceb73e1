"""The viewer in the browser: what can be looked at (sources/), the page that shows it, and the server of the page."""
