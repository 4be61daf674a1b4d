// Follow one session: its messages and its state.  The hook useChatRealtime of
// the article without React.  Returns a function that ends it.
//
// onConnected is called with true when the channel is subscribed, every time:
// from then on nothing is missed, so that what happened before is to be loaded.
// It is called with false when the connection is lost; supabase-js comes back by
// itself.

export function followSession (supabase, sessionId, { onNewMessage, onSessionUpdate, onConnected }) {
  const channel = supabase
    .channel(`chat_session_${sessionId}`)
    .on(
      'postgres_changes',
      { event: 'INSERT', schema: 'public', table: 'chat_messages', filter: `session_id=eq.${sessionId}` },
      (payload) => onNewMessage(payload.new)
    )
    .on(
      'postgres_changes',
      { event: 'UPDATE', schema: 'public', table: 'chat_sessions', filter: `id=eq.${sessionId}` },
      (payload) => onSessionUpdate(payload.new)
    )
    .subscribe((status) => onConnected(status === 'SUBSCRIBED'))

  return () => channel.unsubscribe()
}
