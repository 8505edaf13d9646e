/** What a run's comparison holds, as `evaluation/compare.py` writes it. */

export interface Proportion {
  value: number;
  low: number;
  high: number;
  total: number;
}

export interface Figures {
  images: number;
  accuracy: Proportion | null;
  macro_f1: number | null;
  classes: { name: string; precision: number; recall: number; f1: number; support: number }[];
  confusion: number[][];
  calibration: { error: number } | null;
}

export interface View {
  images: number;
  elsewhere: string | null;
  classes: string[];
  candidate: Figures;
  live: Figures | null;
  changes: {
    name: string;
    standing: string;
    support: number;
    candidate: { recall: number; f1: number } | null;
    live: { recall: number; f1: number } | null;
    recall_change: number | null;
  }[];
}

export interface Comparison {
  shared: View | null;
  all: View | null;
  mistakes: { key: string; truth: string; predicted: string; confidence: number; live: string | null }[];
}

export interface Verdict {
  promote: boolean;
  text: string;
  reasons: string[];
  checks: { name: string; passed: boolean; detail: string }[];
}

/** The figures in a bundle's own manifest; foreign ones bring few. */
export interface Metrics {
  test_accuracy?: Proportion;
  test_macro_f1?: number;
  test_f1?: Record<string, number>;
  test_confusion?: number[][];
  test_ece?: number;
  test_accepted_error_80?: number;
}

/** The view that candidates are judged by. */
export function judged(comparison: Comparison): View | null {
  return comparison.shared ?? comparison.all;
}
