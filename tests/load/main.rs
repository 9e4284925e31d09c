//! The command that runs the main job, as a user types it.

mod run;
mod store;
