//! The data-key cache: its contract, its laws, AWS's worked figures, stampedes, interleavings.

mod contract;
mod interleaving;
mod laws;
mod stampede;
mod worked;
mod world;
