// The page begins here: every part is started once, then the line is asked.

import { get } from "./api.js";
import { loadMe, startAccess } from "./access.js";
import { fillTexts } from "./dom.js";
import { startKeys } from "./keys.js";
import { startLamp } from "./lamp.js";
import { startLine } from "./line.js";
import { openNg, startNg } from "./ng.js";
import { startPart } from "./part.js";
import { startPicture } from "./picture.js";
import { startRecipes } from "./recipes.js";
import { state, update } from "./state.js";
import { startStream, whenOpen } from "./stream.js";
import { startStrip } from "./strip.js";
import { startTabs, whenTab } from "./tabs.js";
import { startTeach } from "./teach.js";
import { startThreshold } from "./threshold.js";
import { complain } from "./toast.js";

/** Read the last parts; those that came by themselves meanwhile are among them. */
async function loadParts() {
  const parts = await get("/api/parts?limit=500");
  const newest = parts.at(-1)?.number ?? 0;
  const later = state.parts.filter((part) => part.number > newest && parts.length);
  update({ parts: [...parts, ...later].slice(-500) });
}

fillTexts();
for (const start of [
  startTabs, startLamp, startPicture, startStrip, startThreshold, startRecipes, startPart,
  startNg, startTeach, startLine, startAccess, startKeys,
]) start();
whenTab("ng", openNg);
whenOpen(() => {
  loadParts().catch(complain);
  loadMe().catch(complain);
});
loadMe().catch(() => {}).finally(startStream);
