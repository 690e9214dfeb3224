"use client";

import { useState } from "react";
import { useModel } from "tfjs-bundle/react";
import { loadModel } from "../model/index.js";

export function Digit({ picture }) {
  const { status, model, progress, error } = useModel(loadModel);
  const [probabilities, setProbabilities] = useState([]);

  if (status === "error") return <p role="alert">{String(error)}</p>;
  if (status === "loading") {
    return <progress max={progress?.total ?? 1} value={progress?.loaded ?? 0} />;
  }
  const look = async (image) => {
    const { digit } = await model.predict({ image });
    setProbabilities([...digit.data]);
  };
  return (
    <>
      {/* biome-ignore lint/performance/noImgElement: a static export has nobody to optimize pictures */}
      <img
        src={picture}
        alt="A handwritten digit"
        width={112}
        height={112}
        onLoad={(event) => void look(event.currentTarget)}
      />
      {probabilities.length > 0 && (
        <p role="status">It is a {probabilities.indexOf(Math.max(...probabilities))}.</p>
      )}
      <ol start={0}>
        {probabilities.map((probability, digit) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the index is the digit
          <li key={digit}>
            <data value={probability}>{(100 * probability).toFixed(1)} %</data>
          </li>
        ))}
      </ol>
    </>
  );
}
