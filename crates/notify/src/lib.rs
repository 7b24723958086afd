//! mendpoint-notify
