-- Customers, who need no account, chat with agents.
--
-- Tables and the two policies with names of words are those of the article
-- "Building a Live Chat Support System with Supabase Realtime and Next.js 15".
-- It leaves out the rest, without which nobody could write.
--
-- Visitors have a token of the role anon with the claim anonymous_id.  With
-- realtime.claim_settings = 'app.anonymous_id=anonymous_id', policies read it
-- as current_setting('app.anonymous_id', true).  Agents have a token of the role
-- authenticated, as everybody with an account has.

CREATE TABLE user_profiles (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  name TEXT NOT NULL,
  is_support_agent BOOLEAN NOT NULL DEFAULT false
);

CREATE TABLE chat_sessions (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id UUID REFERENCES user_profiles(id),
  anonymous_id TEXT,
  agent_id UUID REFERENCES user_profiles(id),
  status TEXT NOT NULL DEFAULT 'open',
  created_at TIMESTAMPTZ DEFAULT NOW(),
  updated_at TIMESTAMPTZ DEFAULT NOW(),
  closed_at TIMESTAMPTZ
);

CREATE TABLE chat_messages (
  id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
  session_id UUID NOT NULL REFERENCES chat_sessions(id) ON DELETE CASCADE,
  sender_id UUID REFERENCES user_profiles(id),
  sender_type TEXT NOT NULL CHECK (sender_type IN ('customer', 'agent')),
  content TEXT NOT NULL,
  created_at TIMESTAMPTZ DEFAULT NOW()
);

ALTER TABLE chat_messages ADD CONSTRAINT says_something CHECK (content <> '');

CREATE INDEX ON chat_sessions (user_id);
CREATE INDEX ON chat_sessions (anonymous_id);
CREATE INDEX ON chat_messages (session_id, created_at);

-- What clients may follow.
ALTER PUBLICATION supabase_realtime ADD TABLE chat_messages, chat_sessions;

-- Rights: to see rows, to write the columns that are theirs to choose.
GRANT SELECT ON user_profiles, chat_sessions, chat_messages TO anon, authenticated;
GRANT INSERT (user_id, anonymous_id) ON chat_sessions TO anon, authenticated;
GRANT UPDATE (agent_id, status, updated_at, closed_at) ON chat_sessions TO authenticated;
GRANT INSERT (id, session_id, sender_id, sender_type, content) ON chat_messages TO anon, authenticated;

ALTER TABLE user_profiles ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat_sessions ENABLE ROW LEVEL SECURITY;
ALTER TABLE chat_messages ENABLE ROW LEVEL SECURITY;

CREATE POLICY own_profile ON user_profiles FOR SELECT USING (id = auth.uid());

-- Sessions: customers have their own, agents have all and work on them.
CREATE POLICY customers_see_their_sessions ON chat_sessions FOR SELECT
USING (user_id = auth.uid() OR anonymous_id = current_setting('app.anonymous_id', true));

CREATE POLICY customers_open_sessions ON chat_sessions FOR INSERT
WITH CHECK (
  num_nonnulls(user_id, nullif(anonymous_id, '')) = 1 AND
  (user_id = auth.uid() OR anonymous_id = current_setting('app.anonymous_id', true))
);

CREATE POLICY agents_work_on_all_sessions ON chat_sessions TO authenticated
USING (EXISTS (SELECT 1 FROM user_profiles WHERE id = auth.uid() AND is_support_agent = true));

-- Messages: Users can only see messages from their own sessions
CREATE POLICY "Users can view their own session messages" ON chat_messages
FOR SELECT USING (
  session_id IN (
    SELECT id FROM chat_sessions
    WHERE user_id = auth.uid() OR anonymous_id = current_setting('app.anonymous_id', true)
  )
);

-- Agents can see all messages
CREATE POLICY "Support agents can view all messages" ON chat_messages
FOR SELECT USING (
  EXISTS (
    SELECT 1 FROM user_profiles
    WHERE id = auth.uid() AND is_support_agent = true
  )
);

-- Everybody writes in his own name, until the session is closed.
CREATE POLICY customers_write_in_their_sessions ON chat_messages FOR INSERT
WITH CHECK (
  sender_type = 'customer' AND
  sender_id IS NOT DISTINCT FROM auth.uid() AND
  session_id IN (
    SELECT id FROM chat_sessions
    WHERE status <> 'closed' AND
      (user_id = auth.uid() OR anonymous_id = current_setting('app.anonymous_id', true))
  )
);

CREATE POLICY agents_write_in_all_sessions ON chat_messages FOR INSERT TO authenticated
WITH CHECK (
  sender_type = 'agent' AND
  sender_id = auth.uid() AND
  EXISTS (SELECT 1 FROM user_profiles WHERE id = auth.uid() AND is_support_agent = true) AND
  session_id IN (SELECT id FROM chat_sessions WHERE status <> 'closed')
);

-- The service connects as this role, which may become what a token names.
CREATE ROLE chat_service LOGIN NOINHERIT;
GRANT anon, authenticated TO chat_service;

INSERT INTO user_profiles (id, name, is_support_agent)
VALUES ('3f1c3f0e-52a4-4c12-9d5b-6f0a5b1f7a10', 'Alice', true);
