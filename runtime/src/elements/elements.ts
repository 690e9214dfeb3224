/** The elements of the demo page, for any page: importing this defines them and does nothing else. */

import { define } from "./base.js";
import { Camera } from "./camera.js";
import { DrawingPad } from "./drawing-pad.js";
import { Field } from "./field.js";
import { ImageInput } from "./image-input.js";
import { InputForm } from "./inputs.js";
import { ModelElement } from "./model.js";
import { Problem } from "./problems.js";
import { Results } from "./results.js";
import { Engine, Progress, Status } from "./status.js";
import { TensorForm } from "./tensor-form.js";

define("tfjs-model", ModelElement); // first, to hear of the others
define("tfjs-camera", Camera);
define("tfjs-drawing-pad", DrawingPad);
define("tfjs-image-input", ImageInput);
define("tfjs-field", Field);
define("tfjs-tensor-form", TensorForm);
define("tfjs-inputs", InputForm);
define("tfjs-results", Results);
define("tfjs-progress", Progress);
define("tfjs-status", Status);
define("tfjs-engine", Engine);
define("tfjs-problem", Problem);
