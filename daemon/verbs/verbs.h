// SPDX-License-Identifier: MIT
//
// Verbs turns a JSON request into a JSON reply (docs/control.md). Readers may only read, admins may change things.
// Every request is hostile: the socket bounds its length, and its depth and the kinds of its fields are checked here
// before a verb sees them.
#pragma once

#include "daemon/verbs/verb.h"

namespace xk::verbs {

class Verbs {
  public:
    // `events` gets the actions of operators, also those that failed. It must outlive this object.
    Verbs(Table table, authz::EventSink& events, Clock clock = Now::read);

    control::Reply reply_to(const control::Peer& peer, const std::string& request) const;

    const Table& table() const { return table_; }

  private:
    Result<control::Reply> run(const Verb& verb, const Request& request) const;
    void emit_action(const Request& request, const Result<control::Reply>& done) const;

    Table table_;
    authz::EventSink& events_;
    Clock clock_;
};

} // namespace xk::verbs
