import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Digit } from "./Digit";

createRoot(document.querySelector("#root")!).render(
  <StrictMode>
    <h1>Which digit is this?</h1>
    <Digit picture="/digit.png" />
  </StrictMode>,
);
