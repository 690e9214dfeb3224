import { Digit } from "./Digit";

export default function Page() {
  return (
    <>
      <h1>Which digit is this?</h1>
      <Digit picture="/digit.png" />
    </>
  );
}
