/**
 * <tag-input name="topics" max="5" value="red,green"></tag-input>
 *
 * A form-associated text field that turns comma or Enter separated words into
 * removable chips. Fires a bubbling `change` event whenever the list changes.
 */
class TagInput extends HTMLElement {
  static formAssociated = true;
  static observedAttributes = ['value', 'disabled'];

  #internals = this.attachInternals();
  #tags = [];
  #list = document.createElement('ul');
  #field = document.createElement('input');

  constructor() {
    super();
    this.attachShadow({ mode: 'open' }).append(this.#list, this.#field);
    this.#field.addEventListener('keydown', (event) => this.#onKeydown(event));
    this.#field.addEventListener('blur', () => this.#commit());
    this.#list.addEventListener('click', (event) => this.#onChipClick(event));
  }

  connectedCallback() {
    this.#field.setAttribute('aria-label', this.getAttribute('label') ?? 'Add a tag');
    this.#render();
  }

  attributeChangedCallback(name, _previous, current) {
    if (name === 'disabled') {
      this.#field.disabled = current !== null;
    } else {
      this.#tags = unique((current ?? '').split(','));
      this.#render();
    }
  }

  formResetCallback() {
    this.attributeChangedCallback('value', null, this.getAttribute('value'));
  }

  get tags() {
    return [...this.#tags];
  }

  set tags(values) {
    this.#tags = unique(values).slice(0, this.max);
    this.#render();
  }

  get max() {
    const declared = Number(this.getAttribute('max'));
    return declared > 0 ? declared : Infinity;
  }

  #onKeydown(event) {
    if (event.key === 'Enter' || event.key === ',') {
      event.preventDefault();
      this.#commit();
    } else if (event.key === 'Backspace' && this.#field.value === '') {
      this.#update(this.#tags.slice(0, -1));
    }
  }

  #onChipClick(event) {
    const button = event.target.closest('button');
    if (button && !this.#field.disabled) {
      this.#update(this.#tags.filter((tag) => tag !== button.value));
      this.#field.focus();
    }
  }

  #commit() {
    const typed = this.#field.value;
    this.#field.value = '';
    if (typed.trim() !== '') {
      this.#update([...this.#tags, ...typed.split(',')]);
    }
  }

  #update(next) {
    const before = this.#tags.join();
    this.tags = next;
    if (this.#tags.join() !== before) {
      this.dispatchEvent(new Event('change', { bubbles: true }));
    }
  }

  #render() {
    this.#list.replaceChildren(...this.#tags.map(createChip));
    this.#field.hidden = this.#tags.length >= this.max;

    const data = new FormData();
    for (const tag of this.#tags) {
      data.append(this.getAttribute('name') ?? 'tags', tag);
    }
    this.#internals.setFormValue(data);
  }
}

function createChip(tag) {
  const item = document.createElement('li');
  const button = document.createElement('button');
  button.type = 'button';
  button.value = tag;
  button.textContent = '\u00d7';
  button.setAttribute('aria-label', `Remove ${tag}`);
  item.append(tag, button);
  return item;
}

function unique(words) {
  const cleaned = words.map((word) => word.trim().toLowerCase()).filter(Boolean);
  return [...new Set(cleaned)];
}

customElements.define('tag-input', TagInput);
