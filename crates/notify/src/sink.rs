//! A mail server for tests: speaks enough SMTP to take mails, or to refuse them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How the server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes everything.
    Takes,
    /// Refuses recipients that begin with "bad", for good.
    RefusesBad,
    /// Has no time for any recipient now.
    Busy,
}

/// A mail it took.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) to: Vec<String>,
    pub(crate) data: String,
}

/// The server; it ends when this is dropped.
pub(crate) struct Sink {
    port: u16,
    taken: Arc<Mutex<Vec<Taken>>>,
    task: JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sink {
    pub(crate) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let taken = Arc::<Mutex<Vec<Taken>>>::default();
        let kept = Arc::clone(&taken);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, manner, Arc::clone(&kept)));
            }
        });
        Self { port, taken, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub(crate) fn mails(&self) -> Vec<Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until this many came, ten seconds at most.
    pub(crate) async fn wait_for(&self, count: usize) -> Vec<Taken> {
        for _ in 0..500 {
            if self.mails().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mails = self.mails();
        assert!(mails.len() >= count, "{} of {count} mails came", mails.len());
        mails
    }
}

async fn serve(stream: TcpStream, manner: Manner, taken: Arc<Mutex<Vec<Taken>>>) {
    let mut stream = BufReader::new(stream);
    let mut mail = Taken::default();
    let mut answer = "220 sink\r\n";
    let mut line = String::new();
    loop {
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        answer = match verb.as_str() {
            "EHLO" | "HELO" => "250 sink\r\n",
            "RCPT" if manner == Manner::Busy => "451 busy\r\n",
            "RCPT" if manner == Manner::RefusesBad && line.contains("<bad") => "550 unknown\r\n",
            "RCPT" => {
                mail.to.push(line.trim_end().split_once(':').map_or("", |(_, to)| to).to_owned());
                "250 ok\r\n"
            }
            "DATA" => {
                if stream.write_all(b"354 go on\r\n").await.is_err() {
                    return;
                }
                mail.data = read_data(&mut stream).await;
                let done = std::mem::take(&mut mail);
                taken.lock().unwrap_or_else(PoisonError::into_inner).push(done);
                "250 taken\r\n"
            }
            "RSET" => {
                mail = Taken::default();
                "250 ok\r\n"
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await.ok();
                return;
            }
            _ => "250 ok\r\n",
        };
    }
}

async fn read_data(stream: &mut BufReader<TcpStream>) -> String {
    let mut data = String::new();
    loop {
        let before = data.len();
        if stream.read_line(&mut data).await.unwrap_or(0) == 0 || &data[before..] == ".\r\n" {
            data.truncate(before);
            return data;
        }
    }
}
