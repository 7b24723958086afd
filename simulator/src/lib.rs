//! mendpoint-simulator
