//! mendpoint-fleet
