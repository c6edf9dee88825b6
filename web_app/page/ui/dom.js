// The few things that every part of the page does to the document.

/**
 * The element with an id of index.html.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function get(id) {
  const element = document.getElementById(id);
  if (!element) {
    throw new Error(`no element #${id}`);
  }
  return element;
}

/**
 * A new element.
 *
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Record<string, string>} attributes
 * @param {(Node | string)[]} children
 */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/**
 * Give an element these children; those that are as they were stay, and are not laid out again.
 *
 * @param {Element} place
 * @param {Element[]} children
 */
export function fill(place, children) {
  children.forEach((child, i) => {
    const before = place.children[i];
    if (!before) {
      place.append(child);
    } else if (!before.isEqualNode(child)) {
      before.replaceWith(child);
    }
  });
  while (place.children.length > children.length) {
    place.lastElementChild?.remove();
  }
}

/**
 * A button that does something.
 *
 * @param {string} text
 * @param {() => unknown} action
 * @param {Record<string, string>} attributes
 */
export function button(text, action, attributes = {}) {
  const element = make('button', { type: 'button', class: 'text-button', ...attributes }, text);
  element.addEventListener('click', action);
  return element;
}

/**
 * A square in a dance's colour.
 *
 * @param {import('../engine/definition.js').Dance | undefined} dance none for none of the dances
 */
export function swatch(dance) {
  const element = make('span', { class: 'swatch', 'aria-hidden': 'true' });
  if (dance) {
    tint(element, dance);
  }
  return element;
}

/**
 * Gives an element a dance's colour, by the look of the page.
 *
 * @param {HTMLElement | SVGElement} element
 * @param {import('../engine/definition.js').Dance} dance
 */
export function tint(element, dance) {
  if (element.style.getPropertyValue('--light') === dance.colour) {
    return; // the same again would be styled again
  }
  element.style.setProperty('--light', dance.colour);
  element.style.setProperty('--dark', dance.colour_on_dark);
  element.style.setProperty('--ink-light', dance.ink);
  element.style.setProperty('--ink-dark', dance.ink_on_dark);
  element.classList.add('tinted');
}

/**
 * Offers text as a file.
 *
 * @param {string} name
 * @param {string} text
 * @param {string} type
 */
export function save(name, text, type) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/**
 * Says something to those who don't see the screen.
 *
 * @param {string} text
 */
export function announce(text) {
  const region = get('announcer');
  if (region.textContent !== text) {
    region.textContent = text;
  }
}
