/** What the elements that ask for one input of a model have in common. */

import type { InputValue } from "../inputs.js";
import type { TensorInfo } from "../manifest.js";
import { Part, PREDICT } from "./base.js";
import type { Description, Plain, State } from "./description.js";

/** What the visitor gave makes no sense; the message says what and where. */
export class InputProblem extends Error {}

/**
 * An element for one input. It sends `input` for every change and `change` for what a visitor has finished; neither
 * is sent for what a script does. It is no form control: what it holds is never sent with a form.
 */
export abstract class Input extends Part {
  /** The model's input that it is for. */
  declare name: string;
  declare label: string;
  #told: Description | null = null;
  /** Whether every change is worth a prediction, without a button. */
  abstract readonly instant: boolean;
  /** What `predict` takes for it; `null` while there is nothing to predict from. */
  abstract get value(): InputValue | null;

  /**
   * What `predict` takes, as `value`; where it is wrong it is marked and focused.
   *
   * @throws InputProblem with a sentence for the visitor.
   */
  read(): InputValue | null {
    return this.value;
  }

  /** Takes what the model says of its input, where the page has not said it. */
  adopt(_info: TensorInfo, _description: Description): void {}

  override receive({ description }: State): void {
    if (!description || description === this.#told) return;
    this.#told = description;
    const { inputs } = description;
    const info = this.name ? inputs.find(({ name }) => name === this.name) : inputs[0];
    if (info) this.adopt(info, description);
  }

  /** Puts an example's value in; nothing where the example has none. */
  fill(_value: Plain | undefined): void {}

  /** Tells of a change by the visitor; `done` where it is finished. */
  protected tell(done: boolean): void {
    this.emit("input");
    if (done) this.emit("change");
    if (this.instant) this.emit(PREDICT);
  }

  /** Controls inside send events of their own, of which only `input` leaves a shadow tree: send both, from here. */
  protected relay(control: HTMLElement): void {
    control.addEventListener("input", (event) => {
      event.stopPropagation();
      this.tell(false);
    });
    control.addEventListener("change", (event) => {
      event.stopPropagation();
      this.emit("change");
    });
  }

  /** Enter sends the form around the element, as it does for a control that stands in the form itself. */
  protected sendOnEnter(event: KeyboardEvent): void {
    if (event.key === "Enter" && !event.isComposing) this.closest("form")?.requestSubmit();
  }
}
