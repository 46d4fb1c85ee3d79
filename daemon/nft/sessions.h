// SPDX-License-Identifier: MIT
//
// Sessions that the kernel's connection tracking knows (ctnetlink, through libnetfilter_conntrack), and their end: without
// its entry a session has to ask the fence again. One review reads the whole table: a few milliseconds for ten thousand
// entries, so whoever calls gathers what there is to ask.
#pragma once

#include "protocol/base/address.h"
#include "protocol/base/handle.h"
#include "protocol/base/result.h"
#include "protocol/service.h"

#include <libnetfilter_conntrack/libnetfilter_conntrack.h>

#include <functional>

namespace xk::nft {

struct Session {
    Address source;    // who came
    Address asked;     // the address that he addressed: of this host, or of one behind it
    Endpoint endpoint; // and the port, before any translation
    bool alive = false; // TCP: established; others: there was an answer
    // Connection tracking saw the first packet of it from this side (a session that it took up in the middle, or one
    // that a service began by itself from its own port). Then `source` is who was addressed.
    bool reversed = false;
};

enum class Fate { lives_on, ends };

class Sessions {
  public:
    // CAP_NET_ADMIN over the network namespace is needed for review().
    static Result<Sessions> open();

    // Asks of every session, and ends those whose fate it is. How many they were. A session that ends by itself meanwhile
    // is no error.
    Result<std::size_t> review(const std::function<Fate(const Session&)>& fate);

  private:
    explicit Sessions(nfct_handle* handle) : handle_(handle) {}
    Handle<nfct_handle, nfct_close> handle_;
};

} // namespace xk::nft
