// Outlines and details of what is worn above: T-shirt, pullover, dress, coat and shirt. Our own drawings; each
// function gives the parts of one garment, in the order in which they are painted, with proportions drawn at random.

import type { Point } from './curves.ts';
import type { Draws } from './draws.ts';
import { bothSides, fill, type GarmentPart, line, mirrored, round } from './garment-parts.ts';

/** Short sleeves, a round neck. */
export function tShirt(draws: Draws): readonly GarmentPart[] {
  const chest = draws.uniform(0.46, 0.56);
  const reach = draws.uniform(0.86, 0.99);
  const drop = draws.uniform(-0.5, -0.2);
  const neck = draws.uniform(0.18, 0.26);
  const depth = draws.uniform(-0.86, -0.66);
  const hem = draws.uniform(0.86, 0.99);
  const seam = draws.uniform(0.7, 0.85);
  return [
    fill(
      mirrored([
        [0, depth],
        [neck * 0.8, depth - 0.08],
        [neck, -0.95],
        [0.52, -0.82],
        [reach, drop],
        [reach - 0.24, drop + 0.2],
        [chest, -0.38],
        [chest * 0.97, 0.3],
        [chest + draws.uniform(-0.03, 0.06), hem],
        [0, hem + 0.02],
      ]),
    ),
    line(
      [
        [-neck, -0.93],
        [-neck * 0.7, depth - 0.02],
        [0, depth + 0.05],
        [neck * 0.7, depth - 0.02],
        [neck, -0.93],
      ],
      1,
      0.7,
    ),
    ...bothSides(
      line(
        [
          [0.5, -0.78],
          [chest - 0.02, -0.38],
        ],
        0.7,
        seam,
      ),
    ),
  ];
}

/** Long sleeves, a dark neck, a ribbed hem. */
export function pullover(draws: Draws): readonly GarmentPart[] {
  const hem = draws.uniform(0.8, 0.96);
  const { outline, chest, armpit } = longSleeved(draws, hem);
  const depth = draws.uniform(-0.84, -0.72);
  return [
    outline,
    round(
      [
        [-0.18, -0.95],
        [0, depth - 0.1],
        [0.18, -0.95],
        [0.12, depth],
        [-0.12, depth],
      ],
      0.45,
    ),
    line(
      [
        [-chest, hem - 0.14],
        [0, hem - 0.13],
        [chest, hem - 0.14],
      ],
      0.8,
      0.72,
    ),
    ...bothSides(line([[0.42, -0.82], armpit], 0.8, 0.75)),
  ];
}

/** Straps or short sleeves, a waist, a flaring skirt. */
export function dress(draws: Draws): readonly GarmentPart[] {
  const strap = draws.uniform(0.14, 0.26);
  const bust = draws.uniform(0.24, 0.34);
  const waist = draws.uniform(0.18, 0.26);
  const waistY = draws.uniform(-0.3, 0);
  const flare = draws.uniform(0.28, 0.72);
  const depth = draws.uniform(-0.85, -0.6);
  const sleeve = draws.pick(3) === 0 ? draws.uniform(0.08, 0.2) : 0;
  const hem = draws.uniform(0.88, 0.99);
  return [
    fill(
      mirrored([
        [0, depth],
        [strap - 0.06, -0.97],
        [strap + 0.04, -0.97],
        [bust + sleeve, -0.62 + sleeve * 0.3],
        [bust, -0.55 + sleeve],
        [waist, waistY],
        [(waist + flare) / 2 + 0.04, (waistY + hem) / 2],
        [flare, hem],
        [0, hem + 0.02],
      ]),
    ),
    line(
      [
        [-waist, waistY],
        [0, waistY + 0.03],
        [waist, waistY],
      ],
      0.9,
      draws.uniform(0.5, 0.9),
    ),
    ...bothSides(
      line(
        [
          [waist * 0.4, waistY + 0.05],
          [flare * 0.5, hem - 0.05],
        ],
        0.7,
        0.82,
      ),
    ),
  ];
}

/** Long sleeves, open at the neck, a dark front edge, pockets. */
export function coat(draws: Draws): readonly GarmentPart[] {
  const hem = draws.uniform(0.92, 0.99);
  const { outline, chest, armpit } = longSleeved(draws, hem);
  const collar = draws.uniform(-0.55, -0.25);
  const pocketY = draws.uniform(0.25, 0.45);
  return [
    outline,
    fill(
      [
        [-0.16, -0.97],
        [0.16, -0.97],
        [0, collar],
      ],
      0.35,
    ),
    ...bothSides(
      line(
        [
          [0.17, -0.95],
          [0.22, -0.7],
          [0.02, collar],
        ],
        1.1,
        1.2,
      ),
    ),
    line(
      [
        [0, collar],
        [0.01, hem],
      ],
      1.2,
      0.25,
    ),
    ...bothSides(
      line(
        [
          [chest * 0.45, pocketY],
          [chest * 0.85, pocketY - 0.06],
        ],
        0.9,
        0.5,
      ),
    ),
    ...bothSides(line([[0.47, -0.8], armpit, [chest * 0.98, 0.2]], 0.8, 0.6)),
  ];
}

/** Long sleeves, a collar, buttons, a breast pocket. */
export function shirt(draws: Draws): readonly GarmentPart[] {
  const hem = draws.uniform(0.85, 0.98);
  const { outline, chest, armpit } = longSleeved(draws, hem);
  const buttons = 4 + draws.pick(3);
  const depth = draws.uniform(-0.78, -0.62);
  return [
    outline,
    fill(
      [
        [-0.12, -0.94],
        [0.12, -0.94],
        [0, depth],
      ],
      0.4,
    ),
    fill(
      [
        [-0.22, -0.97],
        [-0.1, -0.97],
        [0, depth],
        [-0.2, depth - 0.02],
      ],
      1.25,
    ),
    fill(
      [
        [0.22, -0.97],
        [0.1, -0.97],
        [0, depth],
        [0.2, depth - 0.02],
      ],
      1.25,
    ),
    line(
      [
        [0.06, depth],
        [0.06, hem],
      ],
      0.6,
      0.75,
    ),
    ...Array.from({ length: buttons }, (_, i): GarmentPart => {
      const y = depth + 0.12 + ((hem - depth - 0.2) * i) / (buttons - 1);
      return line(
        [
          [0, y],
          [0.005, y + 0.03],
        ],
        1.1,
        0.5,
      );
    }),
    fill(
      [
        [chest * 0.35, -0.35],
        [chest * 0.8, -0.35],
        [chest * 0.78, -0.08],
        [chest * 0.36, -0.08],
      ],
      0.88,
    ),
    ...bothSides(line([[0.48, -0.8], armpit], 0.7, 0.8)),
  ];
}

// --- internal ---

/** Body and hanging sleeves of pullover, coat and shirt. */
function longSleeved(
  draws: Draws,
  hem: number,
): { readonly outline: GarmentPart; readonly chest: number; readonly armpit: Point } {
  const chest = draws.uniform(0.42, 0.52);
  const shoulder = draws.uniform(0.5, 0.6);
  const cuff = draws.uniform(0.78, 0.95);
  const cuffY = hem - draws.uniform(0, 0.25);
  const armpit: Point = [chest, draws.uniform(-0.36, -0.2)];
  const outline = fill(
    mirrored([
      [0, -0.86],
      [0.2, -0.97],
      [shoulder, -0.8],
      [(shoulder + cuff) / 2 + 0.08, -0.2],
      [cuff, cuffY - 0.04],
      [cuff - 0.2, cuffY + 0.03],
      [chest + 0.08, 0.1],
      armpit,
      [chest * 0.96, 0.4],
      [chest, hem],
      [0, hem + 0.01],
    ]),
  );
  return { outline, chest, armpit };
}
