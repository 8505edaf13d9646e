/** Every English sentence of the app, by page. Another language is another object of this shape. */

import { classify } from "./classify";
import { dashboard } from "./dashboard";
import { data } from "./data";
import { models } from "./models";
import { review } from "./review";
import { settings } from "./settings";
import { common, problems, shell, signIn } from "./shell";
import { training } from "./training";

export const words = {
  common,
  problems,
  shell,
  signIn,
  classify,
  review,
  dashboard,
  data,
  training,
  models,
  settings,
};
