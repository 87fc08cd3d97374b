/** Setting up, the doctor and settings: shapes of `/api/v1/setup`, `/doctor` and `/settings`. */
import type { components } from "./openapi";

type Schemas = components["schemas"];
export type SetUp = Schemas["SetUp"];
export type FoundEndpoint = Schemas["FoundEndpoint"];
export type Tried = Schemas["Tried"];
export type Chosen = Schemas["Chosen"];
export type Checks = Schemas["Checks"];
export type Check = Schemas["Check"];
export type Settings = Schemas["Settings"];
