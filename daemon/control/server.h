// SPDX-License-Identifier: MIT
//
// The control socket's listening side. Who has no role cannot connect: an access control list on the socket names who
// has one, so that the kernel refuses a stranger's loop of connections and it costs the daemon nothing. Who may say
// what is decided by the kernel's word about the peer (peer.h) before a byte of it is read. No
// client holds up the daemon: everything is non-blocking, bounded in size, number and idle time, and a long reply is
// made in pieces.
#pragma once

#include "daemon/control/peer.h"
#include "protocol/base/clock.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <chrono>
#include <functional>
#include <list>
#include <string>

namespace xk::control {

// What a request is answered with: JSON that is there, and what adds the rest to it, a little more with each call. It
// returns false when that was all.
struct Answer {
    using Rest = std::function<bool(std::string& json)>;

    Answer(std::string begin, Rest more = {}) : json(std::move(begin)), rest(std::move(more)) {}
    std::string json;
    Rest rest;
};

class Server {
  public:
    // As many are served at once; a reply can be large. Others wait for a place, so that a hundred programs that ask in
    // one moment are all answered. Readers leave places of both kinds for who has to act.
    static constexpr std::size_t kMaxClients = 16, kMaxReaders = 12;
    static constexpr std::size_t kMaxWaiting = 256, kMaxWaitingReaders = 128;
    static constexpr std::chrono::seconds kIdle{5};

    // So long in one turn of the loop replies are made, of all clients together.
    static constexpr std::chrono::microseconds kPiece{250};

    // The answer to one request. A connection carries one.
    using Handler = std::function<Answer(const Peer&, const std::string& request)>;

    // Binds `path` anew. Where its file system has no access control lists everybody can connect, and who has no role
    // is told so and closed.
    static Result<Server> open(const std::string& path, Groups groups, Handler handler);

    int listen_fd() const { return listen_.get(); }
    Result<void> set_groups(Groups groups);

    // Takes what is there to accept, and gives places away; the callback lets the caller's loop watch the descriptor
    // of a client that has one from now on.
    void accept(const std::function<void(int fd)>& watch);
    // After a client is gone: gives its place to one that waits.
    void admit(const std::function<void(int fd)>& watch);

    // `fd` is ready. When it returns false the client is gone and its descriptor closed. Where a reply
    // could not be written at once, wants_write() is true.
    bool serve(int fd);
    bool wants_write(int fd) const;

    // Closes whoever has a place and took longer than kIdle to send his request, or to take the reply; their
    // descriptors are gone then, and admit() is due.
    void drop_idle(BootTime now);

  private:
    struct Client {
        Fd fd;
        Peer peer;
        BootTime last;
        std::string in, out;
        Answer::Rest rest;    // of `out`, which is not whole before
        std::size_t sent = 0; // bytes of it

        bool is_answered() const { return rest || !out.empty(); }
    };
    Server(std::string path, Fd listen, Groups groups, Handler handler);
    std::list<Client>::iterator find(int fd);
    static std::size_t readers(const std::list<Client>& clients);
    // False: this client is done with, well or badly.
    bool read(Client& client);
    void make(Client& client);
    bool write(Client& client);

    std::string path_;
    Fd listen_;
    Groups groups_;
    Handler handler_;
    std::list<Client> clients_; // those with a place
    std::list<Client> waiting_; // nobody reads from them yet
};

} // namespace xk::control
