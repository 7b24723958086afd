//! Reading certificates again while chargers stay connected.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mendpoint_model::SecurityProfile;
use tokio_rustls::TlsAcceptor;

use super::{CertificateStatus, Material, TlsFiles};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The certificates of every encrypted listener. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Certificates(Arc<Vec<Arc<Presented>>>);

/// What one listener presents.
#[derive(Debug)]
pub(crate) struct Presented {
    listener: SocketAddr,
    profile: SecurityProfile,
    files: TlsFiles,
    current: ArcSwap<Material>,
}

impl Presented {
    pub(crate) fn new(
        listener: SocketAddr,
        profile: SecurityProfile,
        files: TlsFiles,
        material: Material,
    ) -> Self {
        Self { listener, profile, files, current: ArcSwap::from_pointee(material) }
    }

    /// For the next connection: who is connected keeps what it was greeted with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }

    fn reload(&self) -> Result<bool, String> {
        let material = self.files.load()?;
        let changed = material.digest != self.current.load().digest;
        if changed {
            self.current.store(Arc::new(material));
        }
        Ok(changed)
    }
}

impl Certificates {
    pub(crate) fn new(all: Vec<Arc<Presented>>) -> Self {
        Self(Arc::new(all))
    }

    /// Reads all files again. Connected chargers keep their connection; what cannot be used
    /// changes nothing.
    ///
    /// # Errors
    /// A sentence for the first listener whose files cannot be used; the others were read.
    pub fn reload(&self) -> Result<(), String> {
        let mut first_error = None;
        for presented in self.0.iter() {
            match presented.reload() {
                Ok(true) => tracing::info!(
                    listener = %presented.listener,
                    "the certificates of a listener were read again"
                ),
                Ok(false) => {}
                Err(why) => first_error = first_error.or(Some(why)),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// What is presented now, and until when.
    pub fn status(&self) -> Vec<CertificateStatus> {
        let status = |presented: &Arc<Presented>| CertificateStatus {
            listener: presented.listener,
            profile: presented.profile,
            file: presented.files.certificate.display().to_string(),
            not_after: presented.current.load().not_after,
        };
        self.0.iter().map(status).collect()
    }

    /// Looks at the files for ever.
    pub(crate) async fn watch(&self) {
        if self.0.is_empty() {
            return std::future::pending().await;
        }
        let mut told = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let all = self.clone();
            let result = tokio::task::spawn_blocking(move || all.reload()).await;
            let error = result.unwrap_or(Ok(())).err();
            // Half a file, while somebody copies it, is not worth a line every ten seconds.
            if error.is_some() && error != told {
                tracing::error!(
                    "certificates stay as they were: {}",
                    error.as_deref().unwrap_or_default()
                );
            }
            told = error;
        }
    }
}
