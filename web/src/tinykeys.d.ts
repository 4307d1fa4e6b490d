/* What keys.js uses of tinykeys, whose own types its package.json hides. */
declare module 'tinykeys' {
  export function tinykeys(target: Window, bindings: Record<string, (event: KeyboardEvent) => void>): () => void;
}
