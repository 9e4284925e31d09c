//! The planner: stories with a known right answer, laws, and its promises kept by the live driver.

mod count;
mod desk;
mod law;
mod log;
mod region;
mod story;
