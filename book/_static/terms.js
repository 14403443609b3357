// A term of the glossary shows its definition when it is pointed at, focused or tapped. The text is in the page itself.
(() => {
  const apart = 6;
  const rest = 200;

  function start() {
    const box = document.createElement('div');
    box.className = 'term-definition';
    box.hidden = true;
    // The link is described by the definition; the box repeats it for the eye.
    box.setAttribute('aria-hidden', 'true');
    document.body.append(box);
    let shown = null;
    let leaving = 0;

    function hide() {
      clearTimeout(leaving);
      box.hidden = true;
      shown = null;
    }
    // The pointer may go to the box, to read on or to copy.
    function leave() {
      clearTimeout(leaving);
      leaving = setTimeout(hide, rest);
    }
    function settle() {
      const place = shown?.getClientRects()[0];
      if (!place) { return; }
      const right = document.documentElement.clientWidth - box.offsetWidth - apart;
      const below = place.bottom + apart;
      const fits = below + box.offsetHeight <= window.innerHeight;
      box.style.left = `${Math.max(apart, Math.min(place.left, right))}px`;
      box.style.top = `${fits ? below : place.top - apart - box.offsetHeight}px`;
    }
    function show(link, definition) {
      clearTimeout(leaving);
      shown = link;
      box.textContent = definition.textContent;
      box.hidden = false;
      settle();
    }

    document.querySelectorAll('article a[href*="#term-"]').forEach(link => {
      const definition = document.getElementById(`definition-${decodeURIComponent(link.hash.slice(1))}`);
      if (!definition) { return; }
      let tapped = false;
      link.setAttribute('aria-describedby', definition.id);
      link.addEventListener('mouseenter', () => show(link, definition));
      link.addEventListener('focus', () => show(link, definition));
      link.addEventListener('mouseleave', leave);
      link.addEventListener('blur', hide);
      // The first tap shows the definition, the second follows the link.
      link.addEventListener('pointerdown', event => { tapped = event.pointerType === 'touch' && shown !== link; });
      link.addEventListener('click', event => {
        if (tapped) {
          event.preventDefault();
          show(link, definition);
        }
      });
    });
    box.addEventListener('mouseenter', () => clearTimeout(leaving));
    box.addEventListener('mouseleave', leave);
    document.addEventListener('keydown', event => { if (event.key === 'Escape') { hide(); } });
    // Focus scrolls a link into sight, and the box goes with it.
    window.addEventListener('scroll', settle, { passive: true });
    window.addEventListener('resize', settle);
  }

  window.addEventListener('load', start);
})();
