// What the keys do.
import '@mantine/core/styles/ModalBase.layer.css';
import '@mantine/core/styles/Modal.layer.css';
import '@mantine/core/styles/Overlay.layer.css';
import '@mantine/core/styles/Paper.layer.css';
import '@mantine/core/styles/CloseButton.layer.css';
import { Modal } from '@mantine/core';
import { Fragment } from 'react';
import { PLACES } from './nav';
import styles from './Shortcuts.module.css';

export function Shortcuts({ close }: { close: () => void }) {
  const keys: [string[], string][] = [
    [['Ctrl', 'K'], 'Jump to anything, run any action'],
    [['/'], 'Search on this page'],
    ...PLACES.map(({ key, label }): [string[], string] => [['g', key], `Go to ${label}`]),
    [['Esc'], 'Close what is open'],
    [['?'], 'This list'],
  ];
  return (
    <Modal opened onClose={close} title="Keyboard" size="sm" closeButtonProps={{ 'aria-label': 'Close' }}>
      <dl className={styles.keys}>
        {keys.map(([combination, what]) => (
          <Fragment key={what}>
            <dt>
              {combination.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </Fragment>
        ))}
      </dl>
    </Modal>
  );
}
