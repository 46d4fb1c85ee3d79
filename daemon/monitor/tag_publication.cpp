// SPDX-License-Identifier: MIT
#include "daemon/monitor/tag_publication.h"

#include <utility>

namespace xk {

using privsep::TagScope;

void TagPublication::begin_generation(std::uint32_t generation, std::set<std::uint32_t> touched) {
    before_ = std::exchange(generation_, generation);
    touched_ = std::move(touched);
    expects_changed_ = before_ != 0;
    has_old_hellos_ = true;
    follows_ = false;
}

void TagPublication::begin(TagScope scope) {
    if (scope == TagScope::all) {
        port_.begin_replacement();
        // Hellos outlast a publication, but not their credential.
        if (std::exchange(has_old_hellos_, false))
            port_.begin_replacement_of(touched_);
        replaces_all_ = true;
    } else if (scope == TagScope::changed) {
        port_.begin_replacement_of(touched_);
        replaced_ = touched_;
        expects_changed_ = false;
    }
}

void TagPublication::end(TagScope scope) {
    if (scope == TagScope::all && std::exchange(replaces_all_, false)) {
        port_.end_replacement();
        published_ = true;
    } else if (scope == TagScope::changed) {
        port_.end_replacement_of(std::exchange(replaced_, {}));
    }
}

TagPublication::Age TagPublication::age_of(std::uint32_t generation) const {
    if (generation == generation_)
        return Age::current;
    return generation == before_ && before_ != 0 && !follows_ ? Age::late : Age::senseless;
}

Result<TagPublication::Verdict> TagPublication::publish(const privsep::Tags& message, const Places& places) {
    const auto scope = checked(message);
    const Age age = age_of(message.generation);
    const bool is_late = age == Age::late;
    if (!scope || age == Age::senseless)
        return Verdict::senseless;
    // In a new generation the worker publishes the changed places first, and only once.
    if (*scope == TagScope::changed && (is_late || (message.first == 1) != expects_changed_))
        return Verdict::senseless;
    follows_ = !is_late;
    KeptTags tags(message.count);
    for (std::uint32_t i = 0; i < message.count; ++i) {
        const privsep::TagRecord& record = message.tags[i];
        if (is_late && touched_.contains(record.place))
            continue;
        if (!places.is_taken(record.place))
            return Verdict::of_nobody;
        tags.add(record);
    }
    if (message.first == 1)
        begin(*scope);
    if (auto added = port_.add(tags.all); !added)
        return added.error();
    if (message.last == 1)
        end(*scope);
    return Verdict::published;
}

} // namespace xk
