/* lab-actions.js - everything that can happen to the state of a lab page, with what is told along. Types only, no code.
 * tsc holds each send() to this list, and the reducer (lab-state.js) to having one case for each entry. */

/** @typedef {import('./types.js').Problem} Problem */
/** @typedef {import('./types.js').Result} Result */

/**
 * @typedef {object} Actions
 * @property {{ lab: import('./types.js').LabInfo, profile: import('./types.js').Profile | null, table: import('./types.js').OpTable }} opened the lab and what can be asked of it are known
 * @property {{ problem: Problem }} failed the page cannot be shown
 * @property {{ problem: Problem }} refused a request was refused
 * @property {{}} dismiss the refusal was read
 * @property {{ connection: 'live' | 'lost' }} connection the event stream opened or broke
 * @property {{ seq: number, now_ns?: number }} head the lab has come to this operation; an older one changes nothing
 * @property {{}} imported an import has ended: the samples of the timeline are of its beginning
 * @property {{ seq: number, playing?: boolean }} seek show a moment; the head's means: follow the lab
 * @property {{}} live follow the lab
 * @property {{ playing: boolean }} play start or stop playing
 * @property {{ speed: number }} speed operations a second
 * @property {{ views: import('./lab-state.js').Views, asked?: number }} views the views of a moment are loaded; asked: the process that was asked for
 * @property {{ sought: import('./types.js').Sought }} sought who holds the selected address
 * @property {{ points: import('./types.js').Point[], ops?: import('./types.js').OpRow[], progress?: { done: number, total: number } }} series what the timeline shows
 * @property {{ tab: import('./tabs.js').Tab }} tab
 * @property {{ column: import('./lab-state.js').Column }} column
 * @property {{ layout: import('./lab-state.js').Layout }} layout
 * @property {{ pid: number }} pid the process shown
 * @property {{ selection: import('./types.js').Selection | null, chunk?: string | null, cache?: string | null }} select chunk, cache: what the Heap and Slabs tabs show of it
 * @property {{ result: Result }} explained the operation that made the selection
 * @property {{ colour: string }} colour what the physical map's colours tell
 * @property {{ key: string }} focus a legend entry was pressed
 * @property {{ cache: string | null }} cache the cache that the Slabs tab shows
 * @property {{ address: string | null, pid?: number }} bytesAt where the Bytes tab looks; null: at the selection
 * @property {{ address: string | null }} chunk the chunk that the Heap tab shows
 * @property {{ address: string | null }} walk the address that the Page tables tab walks to
 * @property {{ path: string[] }} path where the Virtual tab stands
 * @property {{ seq: number | null, against?: string }} since the moment that the Changes tab compares with
 * @property {{ marks: import('./lab-state.js').Mark[] }} marks
 * @property {{ step: number | null }} step event at which the Buddy tab stands
 * @property {{ palette: 'search' | 'commands' | null }} palette
 * @property {{ on: boolean }} tour the tour over the marks begins or ends
 * @property {{}} passed the failure shown was read: the selection comes back
 * @property {{ text: string }} notice what was just done, for the live region
 * @property {{ form: import('./model/form.js').Form }} form
 * @property {{ result: Result | null }} preview what the form's call would do
 * @property {{}} sending a request is on its way
 * @property {{}} sent its answer has come
 * @property {{ open: boolean }} help
 */

/** @typedef {{ [Type in keyof Actions]: { type: Type } & Actions[Type] }[keyof Actions]} Action */
export {};
