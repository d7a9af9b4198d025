//! A scripted Redis server on loopback: the commands that the store sends, over a small model of
//! their effects, and faults.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

/// A peer. Clones share it.
#[derive(Clone)]
pub(crate) struct RedisPeer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// The faults of a peer. Each applies to the commands from then on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// Each command is answered with this error.
    Error(&'static str),
    /// No command is answered.
    Silence,
    /// The first half of the next answer is sent, and then nothing.
    HalfAnswer,
    /// Another protocol is spoken.
    Garbage,
    /// The connection is closed instead of an answer.
    Close,
    /// Subscriptions stay open and deliver nothing, not even the answer to a `PING`.
    DeafSubscriptions,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) fault: Fault,
    /// All commands except `PING`, without the credentials, in the order of their arrival.
    pub(crate) commands: Vec<Vec<String>>,
    pub(crate) connections: usize,
    /// User and password, if the peer requires them.
    pub(crate) credentials: Option<(&'static str, &'static str)>,
    /// The sorted set, by member.
    pub(crate) set: BTreeMap<String, u64>,
    pub(crate) log: Vec<(String, String)>,
    log_count: u64,
    subscribers: Vec<UnboundedSender<Vec<u8>>>,
    sessions: Vec<AbortHandle>,
}

impl RedisPeer {
    pub(crate) async fn start() -> Self {
        Self::start_with(|stream| async { Some(stream) }).await
    }

    /// A peer whose connections begin with `accept`, a TLS handshake for example.
    pub(crate) async fn start_with<A, F, S>(accept: A) -> Self
    where
        A: Fn(TcpStream) -> F + Clone + Send + 'static,
        F: Future<Output = Option<S>> + Send + 'static,
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = peer.state.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // Answers are small, and each is sent alone.
                stream.set_nodelay(true).unwrap();
                let accepting = accept(stream);
                let session = Session::new(state.clone());
                let session = tokio::spawn(async move {
                    if let Some(stream) = accepting.await {
                        session.run(stream).await;
                    }
                });
                let mut state = state.lock().unwrap();
                state.connections += 1;
                state.sessions.push(session.abort_handle());
            }
        });
        peer
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Sets the fault; open connections have it, too.
    pub(crate) fn set(&self, fault: Fault) {
        self.state().fault = fault;
    }

    /// Closes all connections.
    pub(crate) fn disconnect(&self) {
        self.state()
            .sessions
            .drain(..)
            .for_each(|session| session.abort());
    }

    /// The number of commands with this name.
    pub(crate) fn count(&self, name: &str) -> usize {
        let state = self.state();
        state
            .commands
            .iter()
            .filter(|command| command[0] == name)
            .count()
    }
}

/// One connection.
struct Session {
    state: Arc<Mutex<State>>,
    is_authenticated: bool,
    is_subscription: bool,
    /// The commands since `MULTI`.
    transaction: Option<Vec<Vec<String>>>,
    sender: UnboundedSender<Vec<u8>>,
    messages: Option<UnboundedReceiver<Vec<u8>>>,
}

impl Session {
    fn new(state: Arc<Mutex<State>>) -> Self {
        let (sender, messages) = unbounded_channel();
        let is_authenticated = state.lock().unwrap().credentials.is_none();
        Self {
            state,
            is_authenticated,
            is_subscription: false,
            transaction: None,
            sender,
            messages: Some(messages),
        }
    }

    async fn run<S>(mut self, stream: S) -> Option<()>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (read, mut write) = tokio::io::split(stream);
        let mut messages = self.messages.take()?;
        let writing = async {
            while let Some(message) = messages.recv().await {
                write.write_all(&message).await.ok()?;
            }
            Some(())
        };
        let reading = async {
            let mut read = BufReader::new(read);
            let mut is_stuck = false;
            loop {
                let command = read_command(&mut read).await?;
                let fault = self.state.lock().unwrap().fault;
                let mut answer = self.answer(&command, fault);
                match fault {
                    Fault::Close => return None,
                    Fault::Silence => continue,
                    Fault::DeafSubscriptions if self.is_subscription => continue,
                    Fault::HalfAnswer if is_stuck => continue,
                    Fault::HalfAnswer => {
                        answer.truncate(answer.len() / 2);
                        is_stuck = true;
                    }
                    _ => {}
                }
                self.sender.send(answer).ok()?;
            }
        };
        tokio::select! {
            ended = writing => ended,
            ended = reading => ended,
        }
    }

    fn answer(&mut self, command: &[String], fault: Fault) -> Vec<u8> {
        match fault {
            Fault::Error(error) => return format!("-{error}\r\n").into(),
            Fault::Garbage => return b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
            _ => {}
        }
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        match words[..] {
            ["AUTH", password] => self.authenticate("default", password),
            ["AUTH", user, password] => self.authenticate(user, password),
            _ if !self.is_authenticated => b"-NOAUTH Authentication required.\r\n".to_vec(),
            ["PING"] if self.is_subscription => array(["pong", ""].map(bulk)),
            ["PING"] => b"+PONG\r\n".to_vec(),
            ["MULTI"] => {
                self.transaction = Some(Vec::new());
                b"+OK\r\n".to_vec()
            }
            ["EXEC"] => {
                let commands = self.transaction.take().unwrap_or_default();
                array(commands.iter().map(|command| self.apply(command)))
            }
            _ => match &mut self.transaction {
                Some(transaction) => {
                    transaction.push(command.to_vec());
                    b"+QUEUED\r\n".to_vec()
                }
                None => self.apply(command),
            },
        }
    }

    fn authenticate(&mut self, user: &str, password: &str) -> Vec<u8> {
        match self.state.lock().unwrap().credentials {
            Some(credentials) if credentials == (user, password) => {
                self.is_authenticated = true;
                b"+OK\r\n".to_vec()
            }
            // A server that does not know the command repeats its arguments.
            _ => format!(
                "-ERR unknown command 'AUTH', with args beginning with: '{user}' '{password}'\r\n"
            )
            .into(),
        }
    }

    fn apply(&mut self, command: &[String]) -> Vec<u8> {
        let mut state = self.state.lock().unwrap();
        state.commands.push(command.to_vec());
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        match words[..] {
            ["SELECT", _] => b"+OK\r\n".to_vec(),
            ["EXPIRE", ..] => b":1\r\n".to_vec(),
            ["ZADD", _, score, member] => {
                state.set.insert(member.into(), score.parse().unwrap());
                b":1\r\n".to_vec()
            }
            ["ZREMRANGEBYSCORE", _, "-inf", max] => {
                let max: u64 = max.parse().unwrap();
                state.set.retain(|_, score| *score > max);
                b":0\r\n".to_vec()
            }
            ["ZREVRANGE", _, start, end] => {
                let [start, end]: [usize; 2] = [start, end].map(|rank| rank.parse().unwrap());
                let mut members: Vec<_> = state.set.iter().collect();
                members.sort_by_key(|(member, score)| (**score, *member));
                let page = members.iter().rev().skip(start).take(end + 1 - start);
                array(page.map(|(member, _)| bulk(member)))
            }
            ["XADD", .., "r", member] => {
                state.log_count += 1;
                let id = format!("{}-0", state.log_count);
                state.log.push((id.clone(), member.into()));
                bulk(&id)
            }
            ["XREVRANGE", _, "+", "-", "COUNT", "1"] => array(state.log.last().map(log_entry)),
            ["XRANGE", _, from, "+", "COUNT", count] => {
                let number = |id: &str| -> u64 { id.strip_suffix("-0").unwrap().parse().unwrap() };
                let from = number(from);
                let entries = state.log.iter().filter(|(id, _)| number(id) >= from);
                array(entries.take(count.parse().unwrap()).map(log_entry))
            }
            ["PUBLISH", channel, message] => {
                if state.fault != Fault::DeafSubscriptions {
                    let message = array(["message", channel, message].map(bulk));
                    let subscribers = &mut state.subscribers;
                    subscribers.retain(|subscriber| subscriber.send(message.clone()).is_ok());
                }
                b":0\r\n".to_vec()
            }
            ["SUBSCRIBE", channel] => {
                self.is_subscription = true;
                state.subscribers.push(self.sender.clone());
                let name = [bulk("subscribe"), bulk(channel), b":1\r\n".to_vec()];
                array(name)
            }
            _ => panic!("the peer does not know {words:?}"),
        }
    }
}

async fn read_command<R: AsyncRead + Unpin>(read: &mut BufReader<R>) -> Option<Vec<String>> {
    let count = read_number(read, '*').await?;
    let mut command = Vec::new();
    for _ in 0..count {
        let len = read_number(read, '$').await?;
        let mut word = vec![0; len + 2];
        read.read_exact(&mut word).await.ok()?;
        word.truncate(len);
        command.push(String::from_utf8(word).unwrap());
    }
    Some(command)
}

async fn read_number<R: AsyncRead + Unpin>(read: &mut BufReader<R>, kind: char) -> Option<usize> {
    let mut line = String::new();
    read.read_line(&mut line).await.ok()?;
    line.strip_prefix(kind)?.trim_end().parse().ok()
}

fn bulk(text: &str) -> Vec<u8> {
    format!("${}\r\n{text}\r\n", text.len()).into()
}

fn array(items: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let items: Vec<Vec<u8>> = items.into_iter().collect();
    let mut array = format!("*{}\r\n", items.len()).into_bytes();
    array.extend(items.concat());
    array
}

fn log_entry((id, member): &(String, String)) -> Vec<u8> {
    array([bulk(id), array(["r", member].map(bulk))])
}
